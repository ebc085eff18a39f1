"""What a soak's traffic would have shown: the price of a verdict on thin evidence."""

from datetime import datetime
from typing import Any

from phasegate.domain.judge import power
from phasegate.domain.judge.seen import Seen, low_traffic_reason, seen
from phasegate.domain.observation import Minute
from phasegate.domain.verdict import Finding
from tests.domain.judge_cases import CANARY, STABLE, a_minute, after, served
from tests.recorded import counted, plan_of

SOAKS = {"canary": after(0)}


def shown(minutes: list[Minute], *, soaks: dict[str, datetime] = SOAKS, **changes: Any) -> tuple[Seen, ...]:
    """What *minutes* show of the canary phase."""
    plan = plan_of()
    versions = {"canary": CANARY, "control": STABLE, **changes}
    return seen(plan, plan.phase("canary"), minutes, soaks=soaks, **versions)


def test_the_measured_counts_say_what_would_have_been_seen():
    """
    The same curve as before the release, now with what was really served.
    """
    errors, latency = shown([counted(at) for at in range(125)])

    assert errors.canary == (0, 7200)
    assert errors.control == (0, 64_800)
    assert errors.sight == power.sight(7200, base=power.base_rate(0, 64_800))
    assert latency.measure.cut == "500ms"
    assert "7,200 requests of the canary beside 64,800 of the control" in errors.text
    assert "would have been seen in half of releases" in errors.text


def test_warmup_and_history_show_nothing():
    """
    What is not judged cannot have been seen.
    """
    errors, _ = shown([counted(at) for at in range(-30, 10)])

    assert errors.canary[1] == 5 * 60


def test_intervals_without_a_control_compare_nothing():
    """
    At 100 % nobody is left to compare with: those requests do not count as compared.
    """
    alone = [a_minute(at, served(CANARY, 600)) for at in range(10, 20)]

    errors, _ = shown([*[counted(at) for at in range(10)], *alone])

    assert errors.canary[1] == 5 * 60
    assert shown(alone) == ()


def test_a_handful_of_requests_is_told_as_nothing():
    """
    "Would have been seen" is not said of what would not.
    """
    errors, _ = shown([a_minute(5, served(CANARY, 1), served(STABLE, 9))])

    assert "not even a version that always fails would have been seen" in errors.text
    assert "smallest rise that would have been seen: none" in low_traffic_reason(errors).value


def test_an_accepted_verdict_carries_its_price_as_a_reason():
    """
    Who reads the ledger a year later sees what "accepted" was worth.
    """
    errors, _ = shown([counted(at) for at in range(20)])

    reason = low_traffic_reason(errors)

    assert (reason.criterion, reason.rule) == ("error-rate", "smallest-visible")
    assert reason.finding is Finding.INCONCLUSIVE
    assert (reason.bad, reason.total) == (0, 900)
    assert errors.sight.median is not None
    assert f"{errors.sight.median * 100:.3g} %" in reason.value
