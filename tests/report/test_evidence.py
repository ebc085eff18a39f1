"""What is shown to the person who answers a gate."""

from datetime import timedelta
from functools import reduce
from typing import Any

from ledger_cases import CANARY, MINUTE, STABLE, T0, chained, opened, shifted

from phasegate.domain import events as e
from phasegate.domain.checklist import Outcome, Result
from phasegate.domain.decision import Action, Decision
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.observation import Counts, Minute
from phasegate.domain.plan import Environment
from phasegate.domain.verdict import Alert, Finding, Reason, Verdict
from phasegate.report.evidence import evidence_digest, verdict_markdown

UNTIL = T0 + timedelta(hours=2)


def the_state(*events: e.Event, **changes: Any) -> ReleaseState:
    return replay(chained((opened(**changes), *events)))


def in_canary(*events: e.Event, **changes: Any) -> ReleaseState:
    return the_state(
        e.PhaseBegan(phase="staging"),
        e.PhaseEnded(phase="staging"),
        e.PhaseBegan(phase="canary"),
        e.Uploaded(environment=Environment.PRODUCTION, version=CANARY),
        *shifted(10),
        e.Soaking(phase="canary", since=T0, until=UNTIL),
        *events,
        **changes,
    )


def a_reason(finding: Finding = Finding.HEALTHY, **changes: Any) -> Reason:
    fields = {
        "criterion": "error-rate",
        "finding": finding,
        "rule": "absolute-limit",
        "text": "canary failed 14 of 220 requests (6.36 %)",
        "value": "6.36 %",
        "threshold": "> 1 %",
        "baseline": "control failed 1 of 2,010 requests (0.0498 %)",
        "bad": 14,
        "total": 220,
        "since": T0,
        "until": T0 + MINUTE,
    }
    return Reason(**{**fields, **changes})


def a_verdict(*reasons: Reason, at: Any = UNTIL, **changes: Any) -> Verdict:
    found = reasons or (a_reason(),)
    order = (Finding.HEALTHY, Finding.INCONCLUSIVE, Finding.HARMFUL)
    worst = reduce(lambda a, b: max(a, b, key=order.index), (reason.finding for reason in found))
    fields = {"phase": "canary", "at": at, "finding": worst, "reasons": found, "judged_until": at}
    return Verdict(**{**fields, **changes})


def minutes(count: int = 5) -> tuple[Minute, ...]:
    counts = tuple(
        Counts(version=version.id, endpoint="/", total=total, errors=1)
        for version, total in ((CANARY, 50), (STABLE, 450))
    )
    return tuple(Minute(start=T0 + place * MINUTE, length=MINUTE, counts=counts) for place in range(count))


def first_line(markdown: str) -> str:
    return markdown.splitlines()[0]


def test_a_reason_comes_with_everything_needed_to_check_it():
    """
    A person on call must be able to check the machine by hand.
    """
    markdown = verdict_markdown(in_canary(), a_verdict(), minutes())

    row = next(line for line in markdown.splitlines() if line.startswith("| error-rate"))
    for cell in ("6.36 %", "> 1 %", "control failed 1 of 2,010", "14 of 220", "✅ healthy"):
        assert cell in row
    assert "rule absolute-limit; 2026-02-17 03:00:00 UTC to 2026-02-17 03:01:00 UTC" in markdown


def test_the_worst_comes_first():
    """
    Nobody should have to look for what takes a version back.
    """
    verdict = a_verdict(a_reason(), a_reason(Finding.HARMFUL, criterion="latency"))

    lines = verdict_markdown(in_canary(), verdict, minutes()).splitlines()

    table = [line for line in lines if line.startswith(("| error-rate", "| latency"))]
    assert table[0].startswith("| latency")


def test_harm_is_no_question():
    """
    Abort wins: an answer cannot carry a sick version, and the form says so.
    """
    line = first_line(verdict_markdown(in_canary(), a_verdict(a_reason(Finding.HARMFUL)), minutes()))

    assert "v2 is harmful" in line
    assert "whatever anybody answers: v1 gets all traffic again" in line


def test_an_undecided_soak_that_may_be_extended_asks_nobody():
    """
    Silence is not health, but more time may bring the evidence before a person is needed.
    """
    undecided = a_verdict(a_reason(Finding.INCONCLUSIVE))

    during = verdict_markdown(in_canary(), undecided.model_copy(update={"at": T0}), ())
    after = verdict_markdown(in_canary(), undecided, ())

    assert "watched until 2026-02-17 05:00:00 UTC" in first_line(during)
    assert "2 of 2 extensions are left" in first_line(after)
    assert "approve" not in after


def test_an_undecided_end_asks_the_hold_question_and_says_what_each_answer_does():
    """
    Whoever answers knows what approving, rejecting and saying nothing will do.
    """
    longer = [e.Extended(phase="canary", until=UNTIL, because="thin") for _ in range(2)]

    markdown = verdict_markdown(in_canary(*longer), a_verdict(a_reason(Finding.INCONCLUSIVE)), ())

    assert "The evidence at 10% does not decide. Go on to 50% anyway?" in first_line(markdown)
    assert "- **approve**: v2 gets 50 % of production (Phase 2: Partial deployment (50%))" in markdown
    assert "- **reject**: it is taken back, and v1 gets all traffic again" in markdown
    assert "- **extend**: 1h more" in markdown
    assert "- **silence** for 12h means reject" in markdown
    assert "engineering-lead, one approval each; not of ada, who requested the release" in markdown


def test_thin_traffic_that_the_plan_accepts_is_told_as_such():
    """
    Accepted is not proved, and the record must not read as if it were.
    """
    decision = Decision(action=Action.PROMOTE, because=(a_reason(),), accepted_low_traffic=True)
    state = in_canary(e.Decided(phase="canary", decision=decision))

    line = first_line(verdict_markdown(state, a_verdict(a_reason(Finding.INCONCLUSIVE)), ()))

    assert "not proved healthy, which the plan accepts on thin traffic" in line
    assert "Next: v2 gets 50 %" in line


def test_the_evidence_says_what_its_traffic_could_show():
    """
    "Healthy" is worth no more than what would have been seen; the counts are those of the soak.
    """
    markdown = verdict_markdown(in_canary(), a_verdict(), minutes(20))

    assert "**What could be seen**" in markdown
    assert "750 requests of the canary beside 6,750 of the control (0.214 % failed requests)" in markdown
    assert "What could be seen" not in verdict_markdown(in_canary(), a_verdict(), ())


def test_a_machine_ticks_what_it_proved_and_nothing_else():
    """
    A box that is ticked for a person would be a forged signature.
    """
    results = (
        Result(key="health", outcome=Outcome.PASSED, detail="200 in 12 ms", at=T0),
        Result(key="crud-read", outcome=Outcome.FAILED, detail="answered 500", at=T0),
        Result(key="validation", outcome=Outcome.FAILED, detail="exit code 1"),
    )
    state = the_state(e.PhaseBegan(phase="staging"), e.Checked(phase="staging", results=results))

    lines = verdict_markdown(state, None, ()).splitlines()

    ticked = [line for line in lines if line.startswith("- [x]")]
    boxes = "\n".join(line for line in lines if line.startswith("- [ ]"))
    assert ticked == [
        "- [x] Health check endpoint responds (GET /health): 200 in 12 ms (2026-02-17 03:00:00 UTC)"
    ]
    assert "**FAILED** Read calculations (GET /api/calculations): answered 500" in boxes
    assert "Create calculation (POST /api/calculations) (not checked)" in boxes
    assert "**FAILED** validation: exit code 1" in boxes
    assert "Code review approved by 2+ engineers" in boxes
    assert "Team approval obtained" in boxes


def test_the_load_test_says_whether_it_can_be_believed():
    """
    A slow generator neither passes nor fails a release.
    """
    report = {
        "sent": 30_000,
        "failed": 12,
        "error_rate": 0.0004,
        "p50": 20.1,
        "p95": 88.0,
        "p99": None,
        "conclusive": False,
        "reason": "the generator's own lag P99 was 80.0 ms",
    }
    state = the_state(e.PhaseBegan(phase="staging"), e.Loaded(phase="staging", report=report))

    markdown = verdict_markdown(state, None, ())

    assert "| 30,000 | 12 (0.04 %) | 20 ms / 88 ms / – | **no**: the generator's own lag" in markdown


def test_what_people_typed_is_text():
    """
    A reason or a request path must not become a link, a row or a script in the form.
    """
    text = "GET /a|b <script>alert(1)</script> [x](http://evil) `c`"

    markdown = verdict_markdown(in_canary(reason=text), a_verdict(a_reason(text=text)), ())

    assert "<script" not in markdown
    assert "\\[x\\](http://evil)" in markdown
    assert "\\|b" in markdown


def test_the_picture_is_of_this_phase_and_embedded():
    """
    Only a data address is rendered; earlier phases would squeeze this one.
    """
    before = Minute(start=T0 - 60 * MINUTE, length=MINUTE, counts=minutes(1)[0].counts)

    with_earlier = verdict_markdown(in_canary(), a_verdict(), (before, *minutes()))

    assert "](data:image/svg+xml;base64," in with_earlier
    assert with_earlier == verdict_markdown(in_canary(), a_verdict(), minutes())


def test_staging_has_no_picture_of_production():
    """
    No production request reaches the version there.
    """
    state = the_state(e.PhaseBegan(phase="staging"))

    assert "data:image" not in verdict_markdown(state, None, minutes())


def test_the_same_evidence_has_the_same_digest():
    """
    An approval names the digest; it counts only for what was shown.
    """
    one = verdict_markdown(in_canary(), a_verdict(), minutes())
    other = verdict_markdown(in_canary(), a_verdict(), minutes(4))

    assert evidence_digest(one) == evidence_digest(verdict_markdown(in_canary(), a_verdict(), minutes()))
    assert evidence_digest(one) != evidence_digest(other)


def test_alerts_come_with_their_action():
    """
    The alert table says what to do, so the form does too.
    """
    alert = Alert(key="k", level="critical", text="error rate 2 %", action="Consider rollback")

    markdown = verdict_markdown(in_canary(), a_verdict(alerts=(alert,)), ())

    assert "| critical | error rate 2 % | Consider rollback |" in markdown


def test_a_release_that_is_taken_back_says_why_and_what_is_live():
    """
    The first thing asked in an incident is whether users are safe now.
    """
    breached = e.Breached(phase="canary", because=(a_reason(Finding.HARMFUL),))

    before = first_line(verdict_markdown(in_canary(breached), a_verdict(), ()))
    after = first_line(verdict_markdown(in_canary(breached, *shifted(0)), a_verdict(), ()))

    assert "canary failed 14 of 220 requests (6.36 %). v1 gets all traffic again." in before
    assert "v1 has had all traffic since 2026-02-17" in after
