"""Whose deployment is live: the traffic counts first, then the deployment's id, its age and its message."""

from datetime import timedelta
from typing import Any

from ledger_cases import CANARY, STABLE, T0, chained, opened, shifted

from phasegate.domain import events as e
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.plan import Environment
from phasegate.domain.production import LAG, Seen, compare, mark, still_ours
from phasegate.domain.versions import LiveSplit, Split

OTHER = Split.whole("33333333-cccc")


def at_ten(*events: e.Event) -> ReleaseState:
    """A release whose candidate takes a tenth."""
    uploaded = e.Uploaded(environment=Environment.PRODUCTION, version=CANARY)
    return replay(chained((opened(), uploaded, *shifted(10), *events)))


def seen(split: Split, *, ident: str = "new", after: timedelta = timedelta(0), **fields: Any) -> Seen:
    """What a reading is to that release, *after* its last change."""
    state = at_ten()
    assert state.acted_at is not None
    return compare(state, LiveSplit(id=ident, split=split, **fields), now=state.acted_at + after)


def test_the_expected_traffic_is_expected_whoever_deployed_it():
    """
    What users get is what counts.
    """
    assert seen(Split.between(STABLE.id, CANARY.id, canary_weight=10)) is Seen.EXPECTED


def test_a_split_that_is_being_written_is_expected():
    """
    Between the write and its note it is nobody else's.
    """
    intent, _ = shifted(50)
    half = LiveSplit(id="new", split=Split.between(STABLE.id, CANARY.id, canary_weight=50))

    assert compare(at_ten(intent), half, now=T0) is Seen.EXPECTED


def test_an_older_deployment_is_a_reading_that_lags_for_a_while_only():
    """
    No deployment is made twice; but a platform that goes back for good is not merely late.
    """
    whole = Split.whole(STABLE.id)

    assert seen(whole, ident="on-platform-0") is Seen.BEHIND
    assert seen(whole, ident="on-platform-0", after=LAG + timedelta(seconds=1)) is Seen.FOREIGN


def test_an_older_deployment_is_not_the_effect_of_a_write_that_is_pending():
    """
    A take-back wants the traffic from before the release, and that deployment is still shown here and there.
    """
    back, _ = shifted(0)
    state = at_ten(back)
    shown = LiveSplit(id="on-platform-0", split=back.split)

    assert state.acted_at is not None
    assert compare(state, shown, now=state.acted_at) is Seen.BEHIND
    assert compare(state, shown.model_copy(update={"id": "new"}), now=state.acted_at) is Seen.EXPECTED


def test_a_deployment_from_before_the_last_one_is_late_although_its_id_is_unknown():
    """
    What somebody deployed before the release began is no news either.
    """
    live = at_ten().live.model_copy(update={"created_at": T0})
    state = at_ten(e.Acted(intent="", worker=opened().service, live=live))
    before = LiveSplit(id="unknown", split=OTHER, created_at=T0 - timedelta(seconds=1))

    assert compare(state, before, now=T0) is Seen.BEHIND
    assert compare(state, before.model_copy(update={"created_at": T0 + LAG}), now=T0) is Seen.FOREIGN


def test_an_own_write_that_landed_late_is_told_from_a_foreign_one_by_its_message():
    """
    It needs no decision, because nobody decided it.
    """
    late = Split.between(STABLE.id, CANARY.id, canary_weight=50)

    assert seen(late, message=f"{mark(at_ten())}Partial") is Seen.LATE
    assert seen(late, message="phasegate of-another-release: Partial") is Seen.FOREIGN


def test_a_foreign_split_may_still_serve_the_candidate():
    """
    Then taking back is right whatever else is in it.
    """
    assert still_ours(at_ten(), LiveSplit(id="x", split=Split.between("v", CANARY.id, canary_weight=1)))
    assert not still_ours(at_ten(), LiveSplit(id="x", split=OTHER))


def test_an_ended_release_asks_nothing():
    """
    An answer that arrives after the end finds no question.
    """
    question = e.Asked(
        key="q", phase="canary", gate="g", hold=False, roles=("r",), digest="", evidence="", expires_at=T0
    )
    state = at_ten(question, e.Ended(outcome=e.Outcome.ABANDONED, summary="over"))

    assert state.question is None
