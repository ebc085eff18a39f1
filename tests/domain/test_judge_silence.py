"""No data and no source: never a pass, never a breach."""

from datetime import timedelta

import pytest
from judge_cases import (
    CANARY,
    STABLE,
    a_judge,
    a_minute,
    a_phase,
    a_plan,
    a_probe,
    after,
    fired,
    reasons,
    served,
)

from phasegate.domain.verdict import Finding


def a_proved_judge():
    """A judge whose criteria are all healthy after the third minute."""
    judge = a_judge()
    for at in range(3):
        judge.add(a_minute(at, served(CANARY, 10_000), served(STABLE, 90_000)))
    return judge


def with_health(judge, at):
    judge.probe(a_probe(at))
    return judge.verdict(after(at))


def test_a_canary_without_requests_warns_and_then_holds():
    """
    Five minutes warn, fifteen stop promotion, both counted up to where the source is settled.
    """
    judge = a_proved_judge()

    calm = with_health(judge, 9.9)
    warned = with_health(judge, 10)
    held = with_health(judge, 20)

    assert not reasons(calm, "telemetry")
    assert [alert.key for alert in warned.alerts] == ["silence"]
    assert not warned.silent
    assert warned.finding is Finding.HEALTHY
    assert held.silent
    assert held.finding is Finding.INCONCLUSIVE
    assert "the canary has served no requests for 15m; no promotion until data returns" in (
        reasons(held, "telemetry")[0].text
    )


def test_when_data_returns_the_rollout_goes_on():
    """
    A gap that is over needs nobody's answer.
    """
    judge = a_proved_judge()
    with_health(judge, 25)

    judge.add(a_minute(25, served(CANARY, 1000)))

    assert with_health(judge, 28).finding is Finding.HEALTHY


def test_requests_to_the_control_are_not_the_canary_speaking():
    """
    A split that sends the canary nothing is silent, however busy the service is.
    """
    judge = a_judge()
    for at in range(20):
        judge.add(a_minute(at, served(STABLE, 1000)))

    verdict = judge.verdict(after(20))

    assert verdict.silent
    assert verdict.judged_until == after(20)


def test_a_source_that_is_away_has_its_own_name():
    """
    "Nobody came" and "nobody can say" call for different people.
    """
    judge = a_proved_judge()
    judge.away(after(4))

    verdict = with_health(judge, 20)

    found = reasons(verdict, "telemetry")[0]
    assert found.rule == "source-away"
    assert "has not answered since 03:04:00" in found.text
    assert verdict.silent
    assert [alert.key for alert in verdict.alerts] == ["source-away"]


def test_the_next_interval_ends_the_absence():
    """
    A source that answered is back, even with nothing to tell.
    """
    judge = a_proved_judge()
    judge.away(after(4))

    judge.add(a_minute(3))

    assert reasons(with_health(judge, 12), "telemetry")[0].rule == "silence"


def test_a_long_silence_takes_nothing_back():
    """
    No data is not a failed check; only failing health checks take back in the dark.
    """
    judge = a_proved_judge()
    judge.away(after(4))

    verdict = judge.verdict(after(4 + 24 * 60))

    assert not fired(verdict)
    assert verdict.finding is Finding.INCONCLUSIVE


def test_in_the_dark_failing_health_checks_still_take_back():
    """
    Without metrics the front door is the guard.
    """
    judge = a_proved_judge()
    judge.away(after(4))
    for at in (30, 31, 32):
        judge.probe(a_probe(at, ok=False))

    assert judge.verdict(after(32)).finding is Finding.HARMFUL


@pytest.mark.parametrize(("load", "silent"), [(None, False), ("load", True)])
def test_staging_is_silent_only_under_a_load_test(load, silent):
    """
    Nobody calls staging; quiet is news only while requests are being sent.
    """
    rule = {"rate": 100, "duration": "5m", "mix": "mix.json"} if load else None
    plan = a_plan(phases=[a_phase("staging", 0, load=rule), a_phase("full", 100)])
    judge = a_judge(plan, phase="staging", control="")

    verdict = judge.verdict(after(60))

    assert verdict.silent is silent
    assert verdict.finding is Finding.INCONCLUSIVE


def test_the_age_of_the_evidence_is_told():
    """
    A verdict on old minutes looks like a fresh one unless it says so.
    """
    judge = a_proved_judge()

    verdict = judge.verdict(after(5))

    assert verdict.judged_until == after(3)
    assert verdict.age == timedelta(minutes=2)
    assert a_judge().verdict(after(5)).age == timedelta(minutes=5)


def test_a_new_phase_starts_its_own_silence():
    """
    The gate took an hour; the phase after it is not an hour silent when it begins.
    """
    judge = a_proved_judge()

    judge.enter("partial", after(60))

    assert not reasons(judge.verdict(after(62)), "telemetry")


def test_silence_holds_even_when_every_criterion_was_proved():
    """
    Proof of an hour ago does not promote a canary that nobody reaches now.
    """
    only = [{"metric": "error-rate", "below": "0.1%"}]
    judge = a_judge(a_plan(phases=[a_phase("canary", 10, success=only), a_phase("full", 100)]))
    judge.add(a_minute(0, served(CANARY, 50_000)))

    assert judge.verdict(after(3)).finding is Finding.HEALTHY
    assert judge.verdict(after(30)).finding is Finding.INCONCLUSIVE


def test_an_alert_of_before_the_silence_is_no_longer_told():
    """
    After fifteen minutes without data a rate is not known, so it does not page as if it were.
    """
    judge = a_judge()
    judge.add(a_minute(0, served(CANARY, 100, 2)))

    assert len(judge.verdict(after(4)).alerts) == 2
    assert [alert.key for alert in judge.verdict(after(30)).alerts] == ["silence"]
