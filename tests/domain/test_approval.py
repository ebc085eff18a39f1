"""Who may answer which question, and what an answer does."""

from datetime import timedelta

import pytest

from phasegate.domain import events as e
from phasegate.domain.approval import Answer, evidence_digest, expired, extended, weigh, withdrawn
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.verdict import Finding
from tests.ledger_cases import T0, answered, asked, chained, judged, opened, soaking

SOON = T0 + timedelta(minutes=5)
LATE = T0 + timedelta(hours=5)


def at(*events: e.Event) -> ReleaseState:
    """The state after a release was opened and *events* happened."""
    return replay(chained((opened(), *events)))


def answer(**changes: str) -> Answer:
    """Grace approves as engineering lead, unless changed."""
    fields = {
        "key": "q1",
        "choice": "approve",
        "approver": "Grace",
        "role": "engineering-lead",
        "reason": "looks right",
        "digest": "d",
    }
    return Answer.model_validate({**fields, **changes})


def test_an_answer_to_the_standing_question_counts():
    """
    The right role, the evidence that was shown, in time, by somebody else than the author.
    """
    weighed = weigh(at(asked()), answer(), now=SOON)

    assert isinstance(weighed, e.Answered)
    assert weighed.role == "engineering-lead"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key": "q0"}, "does not stand"),
        ({"digest": "other"}, "evidence has changed"),
        ({"role": "intern"}, "was not asked; the roles are engineering-lead, product-owner"),
        ({"approver": "  ADA "}, "requested this release"),
    ],
)
def test_an_answer_that_does_not_count_says_why(changes, words):
    """
    A stale, foreign, or self-given approval changes nothing, and the person learns why.
    """
    weighed = weigh(at(asked()), answer(**changes), now=SOON)

    assert isinstance(weighed, e.AnswerRefused)
    assert words in weighed.why


def test_a_late_answer_does_not_count():
    """
    Silence has meant reject by then.
    """
    weighed = weigh(at(asked()), answer(), now=LATE)

    assert isinstance(weighed, e.AnswerRefused)
    assert "expired" in weighed.why


def test_nobody_answers_for_two_roles():
    """
    Go/No-Go is asked of two people, not of one with two hats.
    """
    state = at(asked(), answered("engineering-lead"))

    weighed = weigh(state, answer(role="product-owner", approver="a Engineering-Lead"), now=SOON)

    assert isinstance(weighed, e.AnswerRefused)
    assert "already approved as engineering-lead; nobody answers in another role" in weighed.why


@pytest.mark.parametrize(
    ("choice", "words"), [("approve", "nobody approves twice"), ("extend", "only a rejection")]
)
def test_nobody_approves_twice(choice, words):
    """
    It would change nothing, and whoever asks again learns what still would.
    """
    state = at(asked(), answered("engineering-lead"))

    weighed = weigh(state, answer(approver="a engineering-lead", choice=choice), now=SOON)

    assert isinstance(weighed, e.AnswerRefused)
    assert words in weighed.why


def test_who_has_approved_may_still_reject():
    """
    A fault that is found after the approval must not be lost.
    """
    state = at(asked(), answered("engineering-lead"))

    weighed = weigh(state, answer(approver="a engineering-lead", choice="reject"), now=SOON)

    assert isinstance(weighed, e.Answered)


def test_the_author_may_reject_their_own_release():
    """
    Taking back is always allowed; only approving one's own work is not.
    """
    weighed = weigh(at(asked()), answer(approver="ada", choice="reject"), now=SOON)

    assert isinstance(weighed, e.Answered)


def test_more_time_is_owed_until_it_was_given():
    """
    Whoever goes on with the release gives it, also when the process that took the answer has died.
    """
    longer = answered("engineering-lead", choice=e.Choice.EXTEND)
    state = at(soaking("staging"), asked(), longer)

    given = extended(state, now=LATE)

    assert isinstance(given, e.Extended)
    assert given.phase == "staging"
    assert given.until > LATE
    assert "a engineering-lead (engineering-lead) asked for more time" in given.because
    assert extended(at(soaking("staging"), asked(), longer, given), now=LATE) is None


@pytest.mark.parametrize(
    "after", [asked("q2"), e.PhaseEnded(phase="staging"), e.AbortAsked(by="ada", reason="no")]
)
def test_no_soak_is_extended_that_nobody_waits_for(after):
    """
    The question was put again, the phase was passed, or the release is taken back.
    """
    longer = answered("engineering-lead", choice=e.Choice.EXTEND)

    assert extended(at(soaking("staging"), asked(), longer, after), now=LATE) is None


def test_silence_means_reject():
    """
    A question nobody answered calls the release off, and is noted as expired, not as withdrawn.
    """
    state = at(asked())

    abort = expired(state, now=LATE)

    assert abort is not None
    assert "silence means reject" in abort.reason
    assert withdrawn(at(asked(), abort), now=LATE) == e.Expired(key="q1")


def test_a_question_in_time_neither_expires_nor_falls():
    """
    The keeper looks at it every tick; nothing may happen before its time.
    """
    state = at(asked())

    assert expired(state, now=SOON) is None
    assert withdrawn(state, now=SOON) is None


def test_a_breach_withdraws_the_question():
    """
    Nobody is asked about a version that is being taken back, and an answer on its way is too late.
    """
    breach = e.Breached(phase="staging", because=judged("staging", Finding.HARMFUL).verdict.reasons)
    state = at(asked(), breach)

    fallen = withdrawn(state, now=SOON)

    assert isinstance(fallen, e.Withdrawn)
    assert "8 %" in fallen.because
    assert isinstance(weigh(at(asked(), breach, fallen), answer(), now=SOON), e.AnswerRefused)


def test_evidence_is_named_by_its_content():
    """
    One changed character is other evidence.
    """
    assert evidence_digest("a") != evidence_digest("b")
    assert evidence_digest("a") == evidence_digest("a")
