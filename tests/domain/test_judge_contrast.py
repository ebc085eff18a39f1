"""Canary and control compared: what the judge finds, and what it says about it."""

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge_cases import CANARY, STABLE, T0, a_judge, a_minute, a_plan, after, feed, fired, served

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.judge import Judge
from phasegate.domain.observation import Counts, Minute
from phasegate.domain.verdict import Finding

SHIPPED = Path(__file__).parents[2] / "deployments" / "plans"
RULE = "comparative-evidence"
SECOND = timedelta(seconds=1)


def comparisons(verdict):
    return [reason for reason in verdict.reasons if reason.rule == RULE]


def with_history(judge, *, bad=0, total=60, minutes=60):
    for at in range(-minutes, 0):
        judge.learn(a_minute(at, served(STABLE, total, bad)))
    return judge


def test_a_canary_below_every_limit_is_taken_back_when_its_control_is_better():
    """
    A rate between the success criterion and the limit is harm if only the canary has it.
    """
    judge = with_history(a_judge(), total=6000, bad=3)
    minutes = [a_minute(at, served(CANARY, 600, 3), served(STABLE, 5400, 3)) for at in range(8)]

    reason = fired(feed(judge, minutes))[0]

    assert reason.rule == RULE
    assert reason.criterion == "error-rate"
    assert reason.text.startswith(
        "canary 24 of 4,800 failed, control 24 of 43,200 in the same minutes: 1 in "
    )
    assert "before the release 180 of 360,000 failed" in reason.text
    assert (reason.bad, reason.total, reason.since, reason.until) == (24, 4800, T0, after(8))
    assert reason.baseline == "control 24 of 43,200 failed"
    assert reason.threshold == ">= 100"
    assert reason.query == "select counts"


def test_the_same_rates_of_both_arms_are_no_harm():
    """
    What the control does as well is not the canary's doing.
    """
    judge = a_judge()
    minutes = [a_minute(at, served(CANARY, 600, 3), served(STABLE, 5400, 27)) for at in range(60)]

    verdict = feed(judge, minutes)

    assert not fired(verdict)
    assert "no sign of harm; a canary failing" in comparisons(verdict)[0].text


def test_the_counts_that_are_told_begin_where_the_harm_begins():
    """
    Good hours before do not water down what a person reads.
    """
    judge = a_judge()
    good = [a_minute(at, served(CANARY, 600), served(STABLE, 5400, 2)) for at in range(60)]
    bad = [a_minute(at, served(CANARY, 600, 5), served(STABLE, 5400, 2)) for at in range(60, 90)]

    reason = fired(feed(judge, [*good, *bad]))[0]

    assert reason.since == after(60)
    assert (reason.bad, reason.total) == (150, 18_000)


def test_the_endpoint_that_is_worse_is_named():
    """
    One route of ten that fails is found among the others, and the person is told which.
    """
    judge = with_history(a_judge())

    def minute(at):
        routes = [f"GET /{n}" for n in range(10)]
        bad = {"GET /7": 2}
        ours = [served(CANARY, 60, bad.get(name, 0), endpoint=name) for name in routes]
        theirs = [served(STABLE, 540, endpoint=name) for name in routes]
        return a_minute(at, *ours, *theirs)

    reason = fired(feed(judge, [minute(at) for at in range(6)]))[0]

    assert reason.endpoint == "GET /7"
    assert reason.text.startswith(
        "canary 12 of 360 failed on GET /7, control 0 of 3,240 in the same minutes: "
    )


def test_evidence_that_is_not_enough_yet_holds():
    """
    Between 20 and 100 a version is neither taken back nor promoted.
    """
    judge = a_judge()
    for at in range(60):
        judge.add(
            a_minute(at, served(CANARY, 600, 1 if at in (3, 9, 30, 40, 50) else 0), served(STABLE, 5400))
        )
        found = judge.verdict(after(at + 3))
        if 20 <= 10 ** found.evidence[-1][1] < 99:
            break

    reason = comparisons(found)[0]

    assert reason.finding is Finding.INCONCLUSIVE
    assert "by chance, taken back at 1 in 100" in reason.text


def test_without_a_control_nothing_is_compared():
    """
    At 100 %, in staging, and while the control serves nobody, there is nothing to compare with.
    """
    alone = feed(a_judge(), [a_minute(0, served(CANARY, 900, 1))])
    full = feed(a_judge(phase="full"), [a_minute(0, served(CANARY, 900, 1), served(STABLE, 900))])

    assert comparisons(alone) == comparisons(full) == []


def test_a_judge_without_history_says_so():
    """
    A weak prior is slower; whoever reads the verdict knows why.
    """
    verdict = feed(a_judge(), [a_minute(0, served(CANARY, 60), served(STABLE, 540))])

    assert "no history of the service is known" in comparisons(verdict)[0].text


def test_history_comes_before_the_release_or_not_at_all():
    """
    Once compared, the past is fixed: what is learned later changes nothing.
    """
    judge = with_history(a_judge())
    judge.add(a_minute(0, served(CANARY, 60), served(STABLE, 540)))
    before = judge.state()

    judge.learn(a_minute(-1, served(STABLE, 5000, 4000)))

    assert judge.state() == before


def test_a_soak_that_would_have_shown_harm_is_enough():
    """
    Where traffic is too low to prove "below 0.1 %", the comparison has still ruled out the limit.
    """
    judge = a_judge()
    minutes = [a_minute(at, served(CANARY, 12, int(at == 50)), served(STABLE, 108)) for at in range(120)]

    reason = next(r for r in feed(judge, minutes).reasons if r.rule in ("power", "confidence-sequence"))

    assert (reason.rule, reason.finding) == ("power", Finding.HEALTHY)
    assert "one that fails 1 % would have shown" in reason.text


def test_a_soak_that_would_not_have_shown_harm_is_not_enough():
    """
    A few hundred requests rule nothing out.
    """
    minutes = [a_minute(at, served(CANARY, 3), served(STABLE, 27)) for at in range(120)]

    reasons = [r for r in feed(a_judge(), minutes).reasons if r.criterion == "error-rate"]

    assert reasons[0].finding is Finding.INCONCLUSIVE
    assert "unproven" in reasons[0].text


rows = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 800), st.integers(0, 40), st.integers(1, 800)),
    min_size=1,
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(rows)
def test_a_swap_of_the_arms_never_turns_harmless_into_harmful(minutes):
    """
    Of two arms with the same rates neither is worse, whichever is called the canary.
    """
    for ours, theirs in ((CANARY, STABLE), (STABLE, CANARY)):
        judge = a_judge()
        for at, (bad, total, _, times) in enumerate(minutes):
            small, large = (min(bad, total), total), (min(bad, total) * times, total * times)
            judge.add(a_minute(at, served(ours, small[1], small[0]), served(theirs, large[1], large[0])))

        assert all(reason.finding is Finding.HEALTHY for reason in comparisons(judge.verdict(after(30))))


@settings(max_examples=40, deadline=None)
@given(rows)
def test_at_most_one_of_two_arms_is_worse(minutes):
    """
    Steady rates never speak against both.
    """
    x, n, y, m = minutes[0]
    found = []
    for ours, theirs in ((CANARY, STABLE), (STABLE, CANARY)):
        judge = a_judge()
        for at in range(30):
            judge.add(a_minute(at, served(ours, n, min(x, n)), served(theirs, m, min(y, m))))
        found.append([r for r in comparisons(judge.verdict(after(32))) if r.finding is Finding.HARMFUL])

    assert not (found[0] and found[1])


def demo(seed, fault):
    """The rule that takes a version back: 200 requests a second on ten routes, 15 s each at 10 and 50 %."""
    plan, random = load_plan("demo", search=(SHIPPED,)), Random(seed)
    judge = Judge(plan, control=STABLE, canary=CANARY)

    def second(at, share):
        counts = []
        for route in range(10):
            ours = sum(random.random() < share for _ in range(20))
            failed = sum(random.random() < fault(route) for _ in range(ours))
            counts += [
                Counts(version=CANARY, endpoint=f"/{route}", total=ours, errors=failed),
                Counts(version=STABLE, endpoint=f"/{route}", total=20 - ours, errors=0),
            ]
        return Minute(start=T0 + at * SECOND, length=SECOND, counts=tuple(counts))

    for at in range(-30, 0):
        judge.learn(second(at, 0.0))
    for phase, since, share in (("canary", 0, 0.1), ("partial", 17, 0.5)):
        judge.enter(phase, T0 + since * SECOND)
        for at in range(since, since + 17):
            judge.add(second(at, share))
            verdict = judge.verdict(T0 + (at + 2) * SECOND)
            if verdict.finding is Finding.HARMFUL:
                return verdict.because()[0].rule
    return ""


@pytest.mark.parametrize(
    ("fault", "least"),
    [(lambda route: 0.005, 15), (lambda route: float(route == 3), 20), (lambda route: 0.0, 0)],
    ids=["subtle", "endpoint", "good"],
)
def test_the_faults_of_the_demo_are_found(fault, least):
    """
    Half a percent of errors, and one route in ten that fails, are taken back; a good version is not.
    """
    found = [demo(seed, fault) for seed in range(20)]

    assert sum(1 for rule in found if rule) >= least
    assert least or not any(found)


def test_a_plan_that_tolerates_more_errors_takes_back_later():
    """
    What is tolerated is plan data.
    """
    lax = a_plan(comparison={"error_tolerance": 4})
    minutes = [a_minute(at, served(CANARY, 600, 2), served(STABLE, 5400, 6)) for at in range(60)]

    assert fired(feed(a_judge(), minutes))
    assert not fired(feed(a_judge(lax), minutes))
