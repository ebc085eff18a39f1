"""Replay: the events of a release say where it is, whoever reads them and however often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain import events as e
from phasegate.domain.ledger import ReleaseState, first_break, replay
from phasegate.domain.plan import Environment
from phasegate.domain.versions import Split
from tests.ledger_cases import (
    CANARY,
    STABLE,
    answered,
    asked,
    chained,
    good_release,
    live,
    opened,
    rolled_back_release,
    shifted,
    soaking,
)

GOOD = chained(good_release())
BAD = chained(rolled_back_release())


def at(*events: e.Event) -> ReleaseState:
    """The state after *events*."""
    return replay(chained(events))


def test_a_good_release_ends_with_the_candidate_as_known_good():
    """
    A later rollback restores what this release proved.
    """
    state = replay(GOOD)

    assert state.ended_phases == ("staging", "canary", "partial", "full")
    assert state.known_good == CANARY
    assert state.live.split.weight(CANARY.id) == 100
    assert state.gates_passed == ("staging",)
    assert state.pending is None
    assert not state.aborting
    assert state.current is None
    assert state.ended is not None
    assert state.ended.outcome is e.Outcome.PROMOTED


def test_a_rolled_back_release_ends_with_stable_serving_everybody():
    """
    The known-good version is still the one written when the release opened.
    """
    state = replay(BAD)

    assert state.aborting
    assert state.known_good == STABLE
    assert state.live.split.weight(STABLE.id) == 100
    assert state.restored_at == next(row.at for row in BAD if row.seq == state.seq - 6)
    assert state.verified is not None
    assert state.verified.ok
    assert state.recovered is not None
    assert state.ended is not None
    assert state.ended.outcome is e.Outcome.ROLLED_BACK


def test_a_notice_stays_undelivered_until_its_channel_took_it():
    """
    A failed delivery is tried again; a successful one is not.
    """
    assert replay(BAD).undelivered == (("n1", "pager"),)


def test_a_gate_passes_when_every_role_has_approved():
    """
    One approval of each role is needed; the first alone opens nothing.
    """
    one = at(opened(), asked(), answered("product-owner"))
    both = at(opened(), asked(), answered("product-owner"), answered("engineering-lead"))

    assert one.question is not None
    assert one.gates_passed == ()
    assert both.question is None
    assert both.gates_passed == ("staging",)


def test_a_hold_question_does_not_pass_the_gate():
    """
    To go on with thin evidence is another answer than to go into production.
    """
    state = at(opened(), asked(hold=True), answered("product-owner"), answered("engineering-lead"))

    assert state.holds_passed == ("staging",)
    assert state.gates_passed == ()


@pytest.mark.parametrize("choice", [e.Choice.REJECT, e.Choice.EXTEND])
def test_an_answer_other_than_approve_closes_the_question(choice):
    """
    An approval that came before it counts no more.
    """
    state = at(opened(), asked(), answered("product-owner"), answered("engineering-lead", choice=choice))

    assert state.question is None
    assert state.answers == ()
    assert state.gates_passed == ()


def test_an_answer_to_an_older_question_counts_for_nothing():
    """
    An approval names what it answers; a question asked again has other evidence.
    """
    state = at(opened(), asked("q1"), asked("q2"), answered("product-owner", key="q1"))

    assert state.question == asked("q2")
    assert state.answers == ()
    assert state.asked == 2


@pytest.mark.parametrize("end", [e.Expired(key="q1"), e.Withdrawn(key="q1", because="breach")])
def test_a_question_that_expired_or_was_withdrawn_is_closed_without_a_pass(end):
    """
    Silence is not consent, and a release that is taken back asks nobody.
    """
    state = at(opened(), asked(), answered("product-owner"), end)

    assert state.question is None
    assert state.answers == ()
    assert state.gates_passed == ()


def test_a_pending_write_counts_as_exposure():
    """
    Until it is read back nobody knows whether users reach the candidate.
    """
    uploaded = e.Uploaded(environment=e.Environment.PRODUCTION, version=CANARY)
    intent, acted = shifted(10)

    assert not at(opened(), uploaded).exposed
    assert at(opened(), uploaded, intent).exposed
    assert at(opened(), uploaded, intent, acted).exposed
    assert not at(opened(), uploaded, intent, e.Dropped(intent="to-10", why="refused")).exposed


def test_traffic_of_the_staging_worker_is_not_the_live_split():
    """
    What staging serves says nothing about production.
    """
    staged = e.Acted(intent="", worker="spring-rate-api-staging", live=live(Split.whole(CANARY.id)))

    state = at(opened(), staged)

    assert state.live.split.weight(STABLE.id) == 100
    assert state.staged == staged.live


def test_an_extension_moves_the_end_of_the_soak_and_is_counted():
    """
    The plan limits how often a soak is extended.
    """
    first = soaking("canary")
    later = first.until + (first.until - first.since) / 2

    state = at(opened(), first, e.Extended(phase="canary", until=later, because="thin evidence"))

    assert state.soaks["canary"].until == later
    assert state.soaks["canary"].extended == 1


def test_an_abort_keeps_its_reason_and_the_time_of_the_first_breach():
    """
    What was asked first is what people are told.
    """
    state = at(opened(), e.AbortAsked(by="ada", reason="users complain"))

    assert state.aborting
    assert state.why_abort == "ada: users complain"
    assert state.breached_at == state.at


def test_every_run_that_drove_the_release_is_known():
    """
    Each of them may still wait when the release has ended, not only the last.
    """
    state = at(opened(), *(e.Driven(run=run) for run in ("r-1", "r-2", "r-1")))

    assert state.run == "r-1"
    assert state.runs == ("r-1", "r-2")


def test_a_release_begins_with_opened():
    """
    Without plan and known-good version nothing can be decided.
    """
    with pytest.raises(ValueError, match="begins with 'opened', not with 'driven'"):
        replay(GOOD[1:])
    with pytest.raises(ValueError, match="no events"):
        replay(())


@given(cut=st.integers(1, len(GOOD)), rows=st.sampled_from([GOOD, BAD]))
def test_replaying_the_rest_onto_a_prefix_equals_replaying_everything(cut, rows):
    """
    A driver that remembers a state and reads only what is new decides like one that read it all.
    """
    resumed = replay(rows[cut:], replay(rows[:cut]))

    assert resumed == replay(rows)


@given(cut=st.integers(1, len(BAD)))
def test_rows_that_went_through_json_replay_to_the_same_state(cut):
    """
    The ledger stores text; nothing may get lost on the way.
    """
    read = [e.Recorded.model_validate_json(row.model_dump_json()) for row in BAD[:cut]]

    assert replay(read) == replay(BAD[:cut])
    assert first_break(read) == ""


def test_an_approval_in_a_role_nobody_asked_opens_nothing():
    """
    The roles that were asked must all be among the answers, whatever else was said.
    """
    state = at(opened(), asked(), answered("janitor"))

    assert state.gates_passed == ()
    assert state.question is not None


def test_an_old_question_that_expires_leaves_the_standing_one():
    """
    A late note about the first question must not close the second.
    """
    state = at(opened(), asked("q1"), asked("q2"), e.Expired(key="q1"))

    assert state.question is not None
    assert state.question.key == "q2"


def test_a_plan_that_later_rules_would_refuse_is_still_replayed():
    """
    It was safe when the release was opened; a new rule must not leave a running release unwatched.
    """
    plan = opened().plan
    stored = {**plan, "channels": {level: [] for level in plan["channels"]}}

    state = at(opened(plan=stored), e.Driven(run="run-1"))

    assert state.plan.name == plan["name"]


def test_a_candidate_with_traffic_is_watched_from_its_first_soak_until_it_is_known_good():
    """
    Between two phases by the rules of the one before, however long the next one waits.
    """
    state, watched = None, []
    for row in GOOD:
        state = replay((row,), state)
        watched.append((row.event.kind, state.watched.name if state.watched else ""))
    first = next(place for place, (kind, _) in enumerate(watched) if kind == "soaking")
    last = next(place for place, (kind, _) in enumerate(watched) if kind == "known-good")

    assert {name for _, name in watched[:first]} == {""}
    assert all(name for _, name in watched[first:last])
    assert {name for _, name in watched[last:]} == {""}
    assert ("phase-began", "canary") in watched
    assert ("soaking", "partial") in watched
    assert ("phase-ended", "full") in watched


def test_nothing_is_watched_while_a_gate_waits_before_the_first_traffic():
    """
    Production has nothing of the candidate that could do harm.
    """
    staged = e.Uploaded(environment=Environment.STAGING, version=CANARY)
    begun = (opened(), e.PhaseBegan(phase="staging"), staged, soaking("staging"))

    judged = at(*begun, asked())
    waiting = at(*begun, e.PhaseEnded(phase="staging"), e.PhaseBegan(phase="canary"), asked(phase="canary"))

    assert judged.watched == judged.plan.phase("staging")
    assert waiting.watched is None


def test_harm_takes_back_what_is_neither_called_off_nor_known_good_nor_over():
    """
    A candidate that is known good would be taken back to itself.
    """
    rows = {row.event.kind: replay(GOOD[: row.seq - GOOD[0].seq + 1]) for row in GOOD}

    assert rows["phase-ended"].retractable
    assert not rows["known-good"].retractable
    assert not replay(GOOD).retractable
    assert not at(opened(), e.AbortAsked(by="ada", reason="no")).retractable
