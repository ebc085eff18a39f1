"""The plan's own limits: what takes a version back, and what does not."""

from datetime import timedelta
from random import Random

import pytest
from judge_cases import (
    CANARY,
    ERRORS,
    LATENCY,
    STABLE,
    T0,
    a_judge,
    a_minute,
    a_phase,
    a_plan,
    feed,
    fired,
    reasons,
    served,
)

from phasegate.domain.judge.judge import Judge
from phasegate.domain.judge.tally import tally
from phasegate.domain.observation import Counts
from phasegate.domain.verdict import Finding

SUSTAINED = {"metric": "error-rate", "above": "0.5%", "sustained": "15m"}


def test_errors_above_the_limit_take_the_version_back_in_the_first_minute():
    """
    At real traffic one minute is enough, and the reason is complete enough to check by hand.
    """
    judge = a_judge()

    verdict = feed(judge, [a_minute(0, served(CANARY, 220, 14), served(STABLE, 2010, 2))])

    reason = fired(verdict)[0]
    assert verdict.finding is Finding.HARMFUL
    assert verdict.reasons[0] is reason
    assert (reason.criterion, reason.rule) == ("error-rate", "absolute-limit")
    assert (reason.bad, reason.total, reason.value, reason.threshold) == (14, 220, "6.36 %", "> 1 %")
    assert (reason.since, reason.until) == (T0, T0 + judge._plan.interval)
    assert reason.query == "select counts"
    assert reason.text.startswith(
        "canary failed 14 of 220 requests (6.36 %) in the last minute, most of them on /, limit 1 %; "
        "control failed 2 of 2,010 requests (0.0995 %) in the same time; by chance"
    )


def test_a_rate_at_the_limit_is_not_above_it():
    """
    "More than 1 %" leaves 1 % alone, however many requests show it.
    """
    verdict = feed(a_judge(), [a_minute(0, served(CANARY, 100_000, 1000))])

    assert not fired(verdict)


def test_one_failure_of_a_few_requests_is_chance():
    """
    One of twenty is 5 %, and a good version does that once in fifty windows.
    """
    verdict = feed(a_judge(), [a_minute(0, served(CANARY, 20, 1))])

    assert not fired(verdict)


def test_thin_traffic_is_added_up_over_longer_windows():
    """
    A version that fails one in three is caught although no minute alone shows enough.
    """
    minutes = [a_minute(at, served(CANARY, 3, 1), served(STABLE, 30)) for at in range(5)]

    verdicts = [feed(judge, [minute]) for judge in [a_judge()] for minute in minutes]

    assert not fired(verdicts[0])
    assert fired(verdicts[-1])[0].total == 15


def test_slow_answers_above_the_limit_take_the_version_back():
    """
    P95 > 2000 ms is more than 5 % of requests slower than 2000 ms.
    """
    verdict = feed(a_judge(), [a_minute(0, served(CANARY, 400, slow=60), served(STABLE, 3600, slow=3))])

    reason = fired(verdict)[0]
    assert reason.criterion == "latency"
    assert reason.threshold == "> 5 % slower than 2s (P95 > 2s)"
    assert "answered 60 of 400 requests (15 %) slower than 2s" in reason.text


def test_five_of_a_hundred_slow_is_p95_at_the_limit():
    """
    The share of a percentile is exact: 5 % slow is not more than 5 % slow.
    """
    verdict = feed(a_judge(), [a_minute(0, served(CANARY, 100_000, slow=5000))])

    assert not fired(verdict)


def test_requests_without_a_latency_count_are_not_fast():
    """
    A source that does not say how many were slow has not said that none were.
    """
    unmeasured = Counts(version=CANARY, endpoint="/", total=50_000, errors=0)
    minute = a_minute(0, unmeasured)

    verdict = feed(a_judge(), [minute])

    assert tally(minute, CANARY, cuts=(500,)).pairs == ((0, 50_000), (0, 0))
    assert reasons(verdict, "latency")[0].finding is Finding.INCONCLUSIVE


def test_the_warmup_is_not_judged():
    """
    Cold starts right after the weight changed say nothing about the version.
    """
    canary = a_phase("canary", 10, soak={"duration": "2h", "warmup": "2m"})
    plan = a_plan(phases=[canary, a_phase("full", 100)])
    judge = a_judge(plan)

    during = feed(judge, [a_minute(at, served(CANARY, 500, 400)) for at in (0, 1)])
    past = feed(judge, [a_minute(2, served(CANARY, 500, 400))])

    assert not fired(during)
    assert during.judged_until is None
    assert fired(past)


def test_minutes_of_the_phase_before_are_not_in_the_windows():
    """
    A phase is judged on its own minutes; the breach that a person looked at is over.
    """
    judge = a_judge()
    feed(judge, [a_minute(0, served(CANARY, 500, 400))])

    judge.enter("partial", T0 + 10 * judge._plan.interval)

    assert not fired(judge.verdict(T0 + 12 * judge._plan.interval))


def test_an_interval_is_counted_once():
    """
    A collection that is repeated after a restart must not double the evidence.
    """
    judge, minute = a_judge(), a_minute(0, served(CANARY, 100, 2))

    feed(judge, [minute, minute, minute])

    assert reasons(judge.verdict(minute.end), "error-rate")[0].total == 100


@pytest.mark.parametrize("shares", [(51, 49), (90, 10)])
def test_the_endpoint_with_most_failures_is_named(shares):
    """
    At three in the morning "where" is the first question.
    """
    one, two = shares
    counts = (
        served(CANARY, 500, one, endpoint="/a"),
        served(CANARY, 500, two, endpoint="/b"),
    )

    reason = fired(feed(a_judge(), [a_minute(0, *counts)]))[0]

    assert reason.endpoint == "/a"
    assert "most of them on /a" in reason.text


def test_no_endpoint_is_named_when_none_has_most_failures():
    """
    A name that is half a guess sends people the wrong way.
    """
    counts = [served(CANARY, 500, 50, endpoint=name) for name in ("/a", "/b")]

    assert fired(feed(a_judge(), [a_minute(0, *counts)]))[0].endpoint == ""


def plan_with(*rollback, **changes):
    return a_plan(phases=[a_phase("canary", 10, rollback=rollback), a_phase("full", 100)], **changes)


def test_a_sustained_limit_waits_for_its_whole_time():
    """
    "Sustained over 15 minutes" is not known after 14, however bad they were.
    """
    judge = a_judge(plan_with(SUSTAINED))
    minutes = [a_minute(at, served(CANARY, 1000, 20)) for at in range(15)]

    before = feed(judge, minutes[:14])
    at_last = feed(judge, minutes[14:])

    assert not fired(before)
    assert fired(at_last)[0].rule == "sustained-limit"
    assert fired(at_last)[0].total == 15_000


def test_a_sustained_limit_needs_data_in_half_of_its_time():
    """
    Two bad minutes with silence between them were not sustained.
    """
    judge = a_judge(plan_with(SUSTAINED))

    verdict = feed(judge, [a_minute(at, served(CANARY, 1000, 50)) for at in (0, 1, 2, 14)])

    assert not fired(verdict)


def test_sustained_means_real_time_when_intervals_are_short():
    """
    With one-second intervals 30 s are thirty of them; the longest plain window has fifteen.
    """
    second = timedelta(seconds=1)
    plan = plan_with({**SUSTAINED, "sustained": "30s"}, interval="1s", tick="1s")
    judge = a_judge(plan)
    minutes = [a_minute(at, served(CANARY, 100, 5), length=second) for at in range(30)]

    early = feed(judge, minutes[:29])
    late = feed(judge, minutes[29:])

    assert not fired(early)
    assert fired(late)[0].total == 3000


def both_fail(at):
    return a_minute(at, served(CANARY, 200, 20), served(STABLE, 1800, 180))


def test_literally_a_breach_is_harmful_though_the_control_fails_too():
    """
    The runbook's words: error rate above 1 % is taken back; the record says which mode decided.
    """
    reason = fired(feed(a_judge(), [both_fail(0)]))[0]

    assert "control failed 180 of 1,800 requests (10 %)" in reason.text
    assert "the plan says literal" in reason.text


def test_attributed_a_shared_breach_is_held_for_fifteen_intervals_and_then_taken_back():
    """
    Rolling back does not cure an outage upstream, but after a quarter of an hour nobody knows that.
    """
    judge = a_judge(a_plan(attribution="attributed"))

    findings = [feed(judge, [both_fail(at)]).finding for at in range(16)]

    assert findings == [Finding.INCONCLUSIVE] * 15 + [Finding.HARMFUL]


def test_attributed_a_breach_of_the_canary_alone_is_harmful_at_once():
    """
    The excuse is the control's breach; without it there is none.
    """
    judge = a_judge(a_plan(attribution="attributed"))
    feed(judge, [both_fail(0)])

    minutes = [a_minute(1, served(CANARY, 200, 20), served(STABLE, 1800, 1))]

    assert feed(judge, minutes).finding is Finding.HARMFUL


def test_attributed_without_a_control_there_is_no_excuse():
    """
    At 100 % nothing runs beside the version that could be to blame with it.
    """
    judge = a_judge(a_plan(attribution="attributed"), control="")

    assert feed(judge, [both_fail(0)]).finding is Finding.HARMFUL


def test_a_held_breach_forgets_its_clock_when_the_canary_recovers():
    """
    Two short outages a day apart are not one long one.
    """
    judge = a_judge(a_plan(attribution="attributed"))
    calm = [a_minute(at, served(CANARY, 2000), served(STABLE, 18000)) for at in range(10, 40)]
    feed(judge, [both_fail(at) for at in range(10)])
    feed(judge, calm)

    assert feed(judge, [both_fail(40)]).finding is Finding.INCONCLUSIVE


def binomial(random: Random, total: int, rate: float) -> int:
    return sum(random.random() < rate for _ in range(total))


def test_sixty_requests_a_window_at_a_true_tenth_of_the_limit_are_not_taken_back():
    """
    The plain rule "more than 1 %" fires here on 83 % of rollouts; this one may on far below 1 %.
    """
    plain = false = 0

    for seed in range(200):
        random, judge, rolled_back, above = Random(seed), a_judge(), False, False
        for at in range(30):
            errors = binomial(random, 60, 0.001)
            above |= errors / 60 > 0.01
            judge.add(a_minute(at, served(CANARY, 60, errors)))
            # A minute without an error only weakens the evidence, so nothing can fire there.
            rolled_back |= errors > 0 and judge.verdict(T0).finding is Finding.HARMFUL
        false += rolled_back
        plain += above

    assert plain > 150
    assert false == 0


def test_a_limit_without_a_criterion_in_its_phase_takes_the_rate_of_another():
    """
    What a good version does is known from the plan, whichever phase says it.
    """
    full = a_phase("full", 100, success=[{"metric": "health"}])
    judge = Judge(a_plan(phases=[a_phase("canary", 10), full]), control="", canary=CANARY)
    judge.enter("full", T0)

    assert [limit.good for limit in judge._limits] == [0.001, 0.025]


def test_without_any_criterion_a_good_version_has_a_tenth_of_the_limit():
    """
    A plan that proves no error rate is still guarded by its limit.
    """
    only = [{"metric": "health"}]
    phases = [a_phase("canary", 10, success=only), a_phase("full", 100, success=only)]

    assert a_judge(a_plan(phases=phases))._limits[0].good == pytest.approx(0.001)


def test_limits_of_other_phases_do_not_apply():
    """
    The last phase may allow more, as the runbook says of "a higher bar".
    """
    full = a_phase("full", 100, rollback=[{**ERRORS, "above": "5%"}, LATENCY])
    judge = a_judge(a_plan(phases=[a_phase("canary", 10), full]), phase="full")

    assert not fired(feed(judge, [a_minute(0, served(CANARY, 1000, 30))]))
    assert judge._limits[0].measure.limit == 0.05
