"""The evidence that a canary is worse than its control, in one stream of counts."""

from math import exp, isfinite, log
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasegate.domain.judge import climate, hierarchy, relative
from phasegate.domain.judge.comparison import begin, compared, log_evidence, raised
from phasegate.domain.judge.course import Course, Leg, Past
from phasegate.domain.judge.dispersion import Scatter
from phasegate.domain.judge.hierarchy import ALTERNATIVES, Climates
from phasegate.domain.judge.likelihood import log_binomial
from phasegate.domain.judge.setting import setting
from phasegate.domain.judge.starts import purse

COURSE = Course((Leg(0.1, 120), Leg(0.5, 240)), 1.0)
DECIDED = log(100)
BIG = st.integers(0, 10**9)
PAIRS = st.tuples(BIG, BIG).map(lambda pair: (min(pair), max(pair)))


def a_setting(traffic=600.0, rate=0.0005, **how):
    requests = round(traffic * 1440)
    return setting(Past((round(requests * rate), requests), traffic), COURSE, **how)


def after(rows, how):
    found = begin(how)
    for canary, control in rows:
        found = compared(found, canary, control, how=how)
    return log_evidence(found, how=how)


def drawn(random, total, rate):
    """A Poisson number of bad requests, as exponential gaps."""
    bad, spent = 0, random.expovariate(1)
    while spent < total * rate:
        bad, spent = bad + 1, spent + random.expovariate(1)
    return min(bad, total), total


def detected(random, how, *, traffic, rate, worse, minutes=360):
    """After how many minutes the canary is found harmful; None when it is not."""
    found = begin(how)
    for at in range(minutes):
        share = 0.1 if at < 120 else 0.5
        found = raised(found) if at == 120 else found
        served = round(traffic * share)
        canary, control = drawn(random, served, worse), drawn(random, round(traffic) - served, rate)
        found = compared(found, canary, control, how=how)
        if log_evidence(found, how=how) >= DECIDED:
            return at + 1
    return None


@pytest.mark.parametrize("rho", [1.0, 1.25])
@pytest.mark.parametrize("errors", [1, 7])
def test_the_relative_ratio_is_fair_at_the_edge_of_the_null(rho, errors):
    """
    Its mean over what chance gives a canary that is rho times as bad is exactly 1.
    """
    share = rho * 30 / (rho * 30 + 270)
    outcomes = range(errors + 1)

    ratios = [relative.log_ratios((4.0,), (x, 30), (errors - x, 270), rho=rho)[0] for x in outcomes]

    mean = sum(exp(log_binomial(x, errors, share) + ratio) for x, ratio in zip(outcomes, ratios, strict=True))
    assert mean == pytest.approx(1)


def test_the_modelled_ratio_is_fair_under_its_own_null():
    """
    Weighted with the chance that the null gives each outcome the ratios have mean 1.
    """
    each = climate.pace(1)
    both, alone = climate.believed(3, 2000, each=each), climate.believed(1, 1500, each=each)
    means = [0.0] * len(ALTERNATIVES)

    for x0 in range(31):
        for x1 in range(11):
            null = climate_chance(both, (x1, 10), (x0, 30))
            ratios = hierarchy.log_ratios(ALTERNATIVES, Climates(both, alone), (x1, 10), (x0, 30))
            means = [mean + null * exp(ratio) for mean, ratio in zip(means, ratios, strict=True)]

    assert means == pytest.approx([1.0] * len(means), abs=1e-4)


def climate_chance(belief, canary, control):
    bursts = climate.log_bursts(control, canary)
    return sum(
        exp(chance + climate.log_mixed(one, climate.log_calm(one, control, canary), bursts))
        for chance, one in belief.histories
    )


def test_the_purse_never_pays_more_than_it_has():
    """
    Evidence is bought with what is there: never more than everything, however long the rollout lasts.
    """
    held, paid = purse(360), 0.0

    for at in range(2000):
        held = held.step() if at in (120, 500) else held
        some, held = held.pay()
        paid += some

    assert paid == pytest.approx(1)
    assert held.cash == pytest.approx(0, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5000), st.integers(1, 50_000)), max_size=12),
    st.sampled_from([1.0, 1.25]),
)
def test_a_canary_that_is_never_worse_is_never_harmful(rows, rho):
    """
    A share of failures no larger than the control's convicts nobody, whatever history says.
    """
    how = a_setting(rho=rho)
    told = [
        ((min(bad, n), n), (-(-min(bad, n) * m // n), m))  # the control's share, rounded up
        for bad, n, m in rows
    ]

    assert after(told, how) <= log(10) + 1e-9


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(PAIRS, PAIRS), min_size=1, max_size=5), st.floats(0, 10**9))
def test_no_count_breaks_the_evidence(rows, traffic):
    """
    From nothing to a billion: a number, never NaN.
    """
    how = setting(Past((0, 0), traffic), COURSE)

    assert isfinite(after(rows, how))


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_an_interval_without_one_of_the_arms_changes_no_evidence(pair):
    """
    Without a control in the same minutes there is nothing to compare with.
    """
    how = a_setting()
    told = [((4, 60), (1, 540))]

    assert after([*told, (pair, (0, 0))], how) == after(told, how)
    assert after([*told, ((0, 0), pair)], how) == after(told, how)


def test_a_burst_on_both_arms_convicts_nobody():
    """
    An outage upstream is not the canary's, although history knows nothing like it.
    """
    how = a_setting()
    calm, burst = ((0, 60), (0, 540)), ((20, 60), (180, 540))

    assert after([calm] * 30 + [burst] * 10 + [calm] * 5, how) < log(2)


def test_a_drift_on_both_arms_convicts_nobody():
    """
    A service whose error rate rises tenfold at the moment of the deploy has a canary that is no worse.
    """
    how = a_setting(rate=0.0005)

    assert after([((3, 600), (27, 5400))] * 120, how) < log(5)


@pytest.mark.parametrize(
    ("per_second", "worse", "within"), [(1, 0.05, 12), (1, 0.5, 3), (10, 0.01, 11), (100, 0.0025, 11)]
)
def test_regressions_are_found_in_minutes(per_second, worse, within):
    """
    The medians of the design are 8, 2, 7 and 7 minutes at these rates.
    """
    random, traffic = Random(4), per_second * 60
    how = a_setting(traffic)

    found = [detected(random, how, traffic=traffic, rate=0.0005, worse=worse) or 999 for _ in range(15)]

    assert median(found) <= within


def test_a_good_version_is_left_alone():
    """
    At most one good version in a hundred is taken back; of these fifty at most two are.
    """
    random, how = Random(2), a_setting(60.0)

    found = [detected(random, how, traffic=60, rate=0.0005, worse=0.0005, minutes=240) for _ in range(50)]

    assert sum(1 for at in found if at) <= 2


def test_history_finds_what_the_control_cannot_show():
    """
    A handful of requests is enough against a service that is known to fail rarely.
    """
    rows = [((2, 2), (0, 10)), ((1, 1), (0, 10))]

    assert after(rows, a_setting(12.0)) > after(rows, setting(Past(), COURSE))
    assert after(rows, a_setting(12.0)) >= DECIDED


def test_evidence_of_the_small_share_carries_into_the_large_one():
    """
    What was seen at 10 % is not forgotten at 50 %.
    """
    how = a_setting(6000.0)
    found = begin(how)
    for _ in range(3):
        found = compared(found, (4, 600), (3, 5400), how=how)

    assert log_evidence(raised(found), how=how) == log_evidence(found, how=how) > log(3)


TENFOLD = Scatter(errors=4000, seen=10_000, expected=1000, variance=1000)


def test_over_dispersed_counts_are_worth_less():
    """
    Errors that come in clusters of ten are evidence of a tenth.
    """
    rows = [((10, 600), (10, 5400))]
    how = a_setting(6000.0)
    clustered = setting(Past((4320, 8_640_000), 6000.0, TENFOLD), COURSE)

    assert after(rows, how) > log(50) > log(3) > after(rows, clustered)


def test_the_strict_mode_trusts_no_history():
    """
    With v = 1 only the comparison within the same minutes counts.
    """
    rows = [((2, 2), (0, 10)), ((1, 1), (0, 10))]
    lax, strict = a_setting(12.0), a_setting(12.0, strict=True)
    found = begin(strict)
    for canary, control in rows:
        found = compared(found, canary, control, how=strict)

    assert log_evidence(found, how=strict) == pytest.approx(found.log_relative)
    assert log_evidence(found, how=strict) != pytest.approx(after(rows, lax))


@given(st.tuples(PAIRS, PAIRS), st.sampled_from([12.0, 600.0, 60000.0]))
def test_one_interval_alone_never_decides(pair, traffic):
    """
    All its errors may have one cause, a client that retries, and no history needs to have shown it.
    """
    canary, control = pair

    found = after([(canary, control)], a_setting(traffic))

    assert found < DECIDED


def test_two_intervals_decide_when_the_canary_is_broken():
    """
    What one interval may not say alone, the next one confirms.
    """
    found = after([((300, 600), (2, 5400))] * 2, a_setting(6000))

    assert found >= DECIDED
