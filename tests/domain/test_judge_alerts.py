"""The alert table: plain rules that tell and take nothing back."""

from datetime import timedelta

import pytest
from judge_cases import CANARY, STABLE, T0, a_judge, a_minute, a_plan, a_probe, after, fired, reasons, served

from phasegate.domain.verdict import Finding


def keys(verdict):
    return [alert.key for alert in verdict.alerts]


def alerts_of(*counts, plan=None):
    judge = a_judge(plan)
    judge.add(a_minute(0, *counts))
    return judge.verdict(after(3))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (served(CANARY, 1000, 5), []),
        (served(CANARY, 1000, 6), ["error-rate->-0.5-%-warning", "5xx-per-minute-5-warning"]),
        (
            served(CANARY, 10_000, 21),
            ["5xx-per-minute-5-warning", "5xx-per-minute-20-critical"],
        ),
        (served(CANARY, 100, 2), ["error-rate->-0.5-%-warning", "error-rate->-1-%-critical"]),
        (served(CANARY, 100, slow=6), ["P95->-1s-warning", "P95->-2s-critical"]),
        (served(CANARY, 100, slow=5), []),
        (served(STABLE, 100, 100), []),
        (served(CANARY, 0), []),
    ],
)
def test_each_line_of_the_table_fires_above_its_limit(counts, expected):
    """
    The runbook's table, line by line, on what the canary answered.
    """
    verdict = alerts_of(counts)

    assert keys(verdict) == expected


def test_failed_health_checks_in_a_row_alert():
    """
    Two warn, three are critical, and a plan that does not say so takes nothing back for it.
    """
    judge = a_judge()
    judge.probe(a_probe(0.1, ok=False))
    judge.probe(a_probe(0.2, ok=False))

    two = judge.verdict(after(1))
    judge.probe(a_probe(0.3, ok=False))
    three = judge.verdict(after(1))

    assert keys(two) == ["health-2-warning"]
    assert keys(three) == ["health-2-warning", "health-3-critical"]
    assert not fired(three)


def test_an_alert_carries_level_words_and_what_to_do():
    """
    Whoever is woken needs all three.
    """
    alert = alerts_of(served(CANARY, 100, 2)).alerts[1]

    assert (alert.level, alert.action) == ("critical", "Consider rollback")
    assert alert.text == "canary failed 2 of 100 requests (2 %) in the last minute, alert at > 1 %"


def test_failures_per_minute_are_added_up_over_short_intervals():
    """
    One failure a second is sixty a minute; each second alone would never alert.
    """
    second = timedelta(seconds=1)
    judge = a_judge(a_plan(interval="1s", tick="1s"))
    for at in range(60):
        judge.add(a_minute(at, served(CANARY, 1000, 1), length=second))
        judge.verdict(T0 + at * second)

    alert = judge.verdict(after(1)).alerts[-1]

    assert alert.key == "5xx-per-minute-20-critical"
    assert alert.text.startswith("canary failed 60 requests in a minute")


def test_failures_per_minute_are_scaled_down_from_long_intervals():
    """
    Thirty failures in five minutes are six a minute.
    """
    judge = a_judge(a_plan(interval="5m"))
    judge.add(a_minute(0, served(CANARY, 100_000, 30), length=timedelta(minutes=5)))

    assert keys(judge.verdict(after(7))) == ["5xx-per-minute-5-warning"]


def test_an_alert_is_over_with_the_next_clean_interval():
    """
    "Now" is the newest interval, not the worst one.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 100, 2)))
    judge.add(a_minute(1, served(CANARY, 100)))

    assert keys(judge.verdict(after(4))) == []


def test_a_firing_critical_alert_stops_promotion():
    """
    The success criterion "no critical alerts", which is not yet a reason to take back.
    """
    found = reasons(alerts_of(served(CANARY, 100, 2)), "critical-alerts")[0]

    assert found.finding is Finding.INCONCLUSIVE
    assert "canary failed 2 of 100" in found.text


def test_no_alert_without_any_interval_is_not_a_pass():
    """
    A table that nothing was held against is not green.
    """
    found = reasons(a_judge().verdict(after(1)), "critical-alerts")[0]

    assert found.finding is Finding.INCONCLUSIVE


def test_at_full_weight_errors_that_history_does_not_explain_are_told():
    """
    No control is left to compare with, so people are told and nothing is taken back.
    """
    judge = a_judge()
    for at in range(30):
        judge.add(a_minute(at, served(CANARY, 600), served(STABLE, 5400, 1)))
    judge.enter("full", after(30))
    for at in range(30, 40):
        judge.add(a_minute(at, served(CANARY, 6000, 12)))

    verdict = judge.verdict(after(42))

    told = [alert for alert in verdict.alerts if alert.key == "errors-above-history"]
    assert told[0].level == "warning"
    assert told[0].text.startswith("failed 120 of 60,000 requests (0.2 %) since it serves everything: ")
    assert verdict.finding is not Finding.HARMFUL


def test_at_full_weight_the_usual_errors_are_not_told():
    """
    A version that fails as often as the control did is what history explains.
    """
    judge = a_judge()
    for at in range(30):
        judge.add(a_minute(at, served(CANARY, 600), served(STABLE, 5400, at % 2)))
    judge.enter("full", after(30))
    for at in range(30, 90):
        judge.add(a_minute(at, served(CANARY, 6000, at % 2)))

    assert "errors-above-history" not in {alert.key for alert in judge.verdict(after(92)).alerts}
