"""What can be seen at a traffic: the numbers a plan is checked with."""

from datetime import timedelta
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain.judge import absolute, power
from phasegate.domain.judge.binomial import tail
from phasegate.domain.judge.proof import Standing, clears, standing
from tests.domain.judge_cases import MINUTE, a_plan

BASE = 0.0005
TWO_HOURS = timedelta(hours=2)
RATES = st.floats(1e-6, 0.2)
REQUESTS = st.floats(1, 1e8)


def limit(kind: str, *, phase: str = "canary") -> absolute.Limit:
    """The limit of *phase* on errors or latency."""
    plan = a_plan()
    return next(one for one in absolute.limits(plan, plan.phase(phase)) if one.measure.criterion == kind)


@pytest.mark.parametrize(
    ("rps", "expected"),
    [(0.2, 0.0183), (1, 0.0061), (10, 0.00176), (100, 0.00084), (1000, 0.00060)],
)
def test_two_hours_at_ten_percent_show_less_the_thinner_the_traffic(rps: float, expected: float):
    """
    Before anything is deployed a team reads here whether its soak can show what it fears.

    At three requests failed of 144 (0.2 a second) the law of large numbers is a rough guide;
    the formula then promises less than a judge that was simulated sees (1.3 %).
    """
    requests = power.canary_requests(rps, 0.1, TWO_HOURS)

    seen = power.smallest_visible(requests, base=BASE)

    assert seen == pytest.approx(expected, rel=0.01)


def test_information_is_the_divergence_of_two_poisson_laws():
    """
    The formula is the contract between the plan's check and the judge.
    """
    per_minute = power.information_per_minute(10, 0.1, rate=0.01, base=BASE)

    assert per_minute == pytest.approx(60 * 10 * 0.1 * (0.01 * log(0.01 / BASE) - (0.01 - BASE)))
    assert power.detection(10, 0.1, rate=0.01, base=BASE) == timedelta(minutes=6.9 / per_minute)


def test_no_rise_is_never_seen():
    """
    A version that fails as often as the control, or less, gives nothing to see.
    """
    assert power.detection(1000, 0.5, rate=BASE, base=BASE) is None
    assert power.detection(1000, 0.5, rate=BASE / 2, base=BASE) is None
    assert not power.power_reached(1e9, base=BASE, rate=BASE)


def test_a_handful_of_requests_shows_nothing_at_all():
    """
    None is said instead of a number when even a version that always fails would go unseen.
    """
    seen = power.sight(0.5, base=BASE)

    assert (seen.median, seen.likely) == (None, None)


@given(requests=REQUESTS, base=RATES)
def test_what_is_visible_is_just_what_power_reaches(requests: float, base: float):
    """
    The number a person reads and the rule the judge applies are the same curve.
    """
    seen = power.sight(requests, base=base)

    if seen.likely is not None:
        assert power.power_reached(requests * 1.001, base=base, rate=seen.likely)
        assert not power.power_reached(requests * 0.999, base=base, rate=seen.likely)
        assert seen.median is not None
        assert base < seen.median < seen.likely


@given(requests=REQUESTS, base=RATES, more=st.floats(1.01, 100))
def test_more_requests_never_show_less(requests: float, base: float, more: float):
    """
    A longer soak or more traffic can only sharpen the sight.
    """
    some = power.smallest_visible(requests, base=base) or 2.0

    assert (power.smallest_visible(requests * more, base=base) or 2.0) <= some


@pytest.mark.parametrize("base", [0.0, -0.1, 1.5])
def test_a_base_rate_outside_its_range_is_named(base: float):
    """
    Beside a control that can never fail every failure would be infinitely telling.
    """
    with pytest.raises(ValueError, match="base rate is"):
        power.smallest_visible(1000, base=base)


def test_a_control_without_failures_still_has_a_rate():
    """
    Zero of 300 is not a promise that it never fails.
    """
    assert 0 < power.base_rate(0, 300) < 0.001
    assert power.base_rate(500, 10**6) == pytest.approx(0.0005, rel=0.01)


@pytest.mark.parametrize(("bound", "base"), [(0.001, 0.0), (0.001, 0.0005), (0.05, 0.01), (0.05, 0.045)])
def test_the_requests_that_prove_a_limit_are_the_fewest(bound: float, base: float):
    """
    One request fewer does not prove it: the proof is the judge's own.
    """
    needed = power.requests_to_prove(bound, base=base, alpha=0.01)

    assert needed is not None
    assert standing(int(base * needed), needed, limit=bound, alpha=0.01) is Standing.PROVEN
    assert not clears(base * (needed - 1), needed - 1, limit=bound, alpha=0.01)


def test_a_rate_at_the_limit_is_never_proved_below_it():
    """
    A plan that asks for it holds for a person every time, and says so before.
    """
    assert power.requests_to_prove(0.001, base=0.001, alpha=0.01) is None


def test_clean_requests_are_those_that_the_documentation_names():
    """
    5,876 for 0.1 % and 115 for the share of a P95, at alpha 1 %.
    """
    assert power.clean_requests(0.001, alpha=0.01) == 5876
    assert power.clean_requests(0.05, alpha=0.01) == 115


@pytest.mark.parametrize("kind", ["error-rate", "latency"])
@pytest.mark.parametrize("per_interval", [0.3, 6.0, 60.0, 6000.0])
def test_an_absolute_limit_fires_from_the_least_count_that_its_rule_takes(kind: str, per_interval: float):
    """
    What the plan's check promises is what the rule does: one bad request fewer does not fire.
    """
    rule = limit(kind)

    for firing in power.firings(rule, per_interval=per_interval, interval=MINUTE):
        if firing.bad is None:
            assert tail(firing.requests, firing.requests, rule.good) > rule.budget or not firing.requests
            continue
        assert firing.bad > rule.measure.limit * firing.requests
        assert tail(firing.bad, firing.requests, rule.good) <= rule.budget
        fewer = firing.bad - 1
        assert (
            fewer <= rule.measure.limit * firing.requests
            or tail(fewer, firing.requests, rule.good) > rule.budget
        )


def test_two_failed_requests_are_the_soonest_that_one_percent_fires():
    """
    At .1 % for a good version two failures of two are rarer than the look may spend, one is not.
    """
    assert power.first_requests(limit("error-rate")) == 2
