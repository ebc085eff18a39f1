"""Limits that must last, and limits that the control breaks too."""

from datetime import timedelta

import pytest
from judge_cases import (
    CANARY,
    STABLE,
    a_judge,
    a_minute,
    a_phase,
    a_plan,
    feed,
    fired,
    served,
)

from phasegate.domain.verdict import Finding

SUSTAINED = {"metric": "error-rate", "above": "0.5%", "sustained": "15m"}


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


@pytest.mark.parametrize("length", [3, 9, 15])
def test_attributed_a_burst_on_both_that_is_over_takes_nothing_back(length):
    """
    The window of fifteen minutes stays above the limit long after it, at its edge for one arm only.
    """
    judge = a_judge(a_plan(attribution="attributed"))
    burst = [
        a_minute(at, served(CANARY, 200, 22), served(STABLE, 1800, 180)) for at in range(20, 20 + length)
    ]
    minutes = {**{at: calm(at) for at in range(60)}, **dict(zip(range(20, 20 + length), burst, strict=True))}

    findings = {feed(judge, [minutes[at]]).finding for at in range(60)}

    assert Finding.HARMFUL not in findings


def test_attributed_a_canary_that_stays_bad_after_the_burst_is_taken_back():
    """
    The burst excuses its own minutes and no others.
    """
    judge = a_judge(a_plan(attribution="attributed"))
    feed(judge, [both_fail(at) for at in range(5)])

    verdict = feed(judge, [a_minute(5, served(CANARY, 200, 20), served(STABLE, 1800, 1))])

    assert verdict.finding is Finding.HARMFUL


def calm(at):
    return a_minute(at, served(CANARY, 200), served(STABLE, 1800, 1))


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


def test_attributed_thin_traffic_in_a_burst_accuses_nobody():
    """
    Three failures beside six requests that happened to succeed are no contrast between the versions.
    """
    judge = a_judge(a_plan(attribution="attributed"))

    verdict = feed(judge, [a_minute(0, served(CANARY, 6, 3), served(STABLE, 6))])
    later = feed(judge, [a_minute(at, served(CANARY, 6, 6), served(STABLE, 6)) for at in range(1, 4)])

    assert verdict.finding is Finding.INCONCLUSIVE
    assert later.finding is Finding.HARMFUL


def test_attributed_a_lone_failure_after_the_burst_does_not_use_up_its_grace():
    """
    One failure of the control's few requests is above every limit.
    """
    judge = a_judge(a_plan(attribution="attributed"))
    feed(judge, [both_fail(at) for at in range(15)])
    feed(judge, [calm(15), calm(16)])

    verdict = feed(judge, [a_minute(17, served(CANARY, 20), served(STABLE, 20, 1))])

    assert verdict.finding is not Finding.HARMFUL
