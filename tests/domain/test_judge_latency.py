"""The evidence that a canary answers more slowly than its control."""

import json
from bisect import bisect_right
from itertools import accumulate
from math import exp, isfinite, log
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phasegate.domain.judge import tilt, trial
from phasegate.domain.judge.course import Course, Leg
from phasegate.domain.judge.ladder import Ladder, odds, orderly, shifts
from phasegate.domain.judge.latency import Rules, begin, compared, raised

CUTS = (5, 8, 13, 20, 32, 50, 80, 125, 200, 320, 500, 800, 1000, 1250, 2000, 3200, 5000, 8000)
COURSE = Course((Leg(0.1, 120), Leg(0.5, 240)), 1.0)
RULES = Rules(CUTS, (500, 1000, 2000), 1.1, COURSE)
DECIDED = log(100)
BIG = st.integers(0, 10**9)


def drawn(random, total, *, times=1.0, spread=0.6, tail=0.0):
    """Lognormal answers around 80 ms, *tail* of them around 1.5 s."""
    found = [0] * (len(CUTS) + 1)
    for _ in range(total):
        middle = 1500 if random.random() < tail else 80
        found[bisect_right(CUTS, times * random.lognormvariate(log(middle), spread))] += 1
    slower = list(accumulate(found[::-1]))[::-1]
    return Ladder(tuple(slower[1:]), total)


def detected(seed, *, traffic, rules=RULES, minutes=40, **canary):
    """After how many minutes at 10 % the canary is found harmful; None when it is not."""
    random = Random(seed)
    found = begin(rules, drawn(random, 5000))
    for at in range(minutes):
        served = sum(random.random() < 0.1 for _ in range(traffic))
        ours, theirs = drawn(random, served, **canary), drawn(random, traffic - served)
        found = compared(found, ours, theirs, rules=rules)
        if found.log_evidence >= DECIDED:
            return at + 1
    return None


@pytest.mark.parametrize(("traffic", "within"), [(12, 24), (60, 6), (600, 2)])
def test_twice_as_slow_is_found_in_minutes(traffic, within):
    """
    The design found it in 16, 4 and 2 minutes at 0.2, 1 and 10 requests a second.
    """
    found = [detected(seed, traffic=traffic, times=2.0) or 999 for seed in range(9)]

    assert median(found) <= within


def test_a_tail_is_found_although_most_answers_are_as_fast():
    """
    One answer in twenty that takes seconds is not seen in the median.
    """
    assert median(detected(seed, traffic=600, tail=0.05) or 999 for seed in range(5)) <= 5


@pytest.mark.parametrize("spread", [0.3, 0.6])
def test_a_canary_that_is_a_little_slower_is_left_alone(spread):
    """
    Five percent are within the tolerance, however many requests show them.
    """
    sums = Ladder(tuple(round(10**6 * tail(cut, spread)) for cut in CUTS), 10**6)
    slower = Ladder(tuple(round(10**6 * tail(cut / 1.05, spread)) for cut in CUTS), 10**6)
    found = begin(RULES, sums)

    for _ in range(100):
        found = compared(found, slower, sums, rules=RULES)

    assert found.log_evidence < log(2)


def test_what_the_plan_tolerates_is_the_plans_to_say():
    """
    A canary that is a quarter slower is taken back, unless the plan allows it as much.
    """
    sums = Ladder(tuple(round(10**6 * tail(cut, 0.6)) for cut in CUTS), 10**6)
    slower = Ladder(tuple(round(10**6 * tail(cut / 1.25, 0.6)) for cut in CUTS), 10**6)
    strict, lax = (Rules(CUTS, (500, 1000, 2000), times, COURSE) for times in (1.0, 1.3))

    assert compared(begin(strict, sums), slower, sums, rules=strict).log_evidence > DECIDED
    assert compared(begin(lax, sums), slower, sums, rules=lax).log_evidence < 0


def tail(cut, spread):
    """The share of lognormal answers around 80 ms that are slower than *cut*, by the logistic law."""
    return 1 / (1 + exp(1.702 * log(cut / 80) / spread))


def test_a_slow_minute_of_both_arms_convicts_nobody():
    """
    A database that is slow is slow for everybody.
    """
    random = Random(1)
    found = begin(RULES, drawn(random, 5000))

    for at in range(30):
        times = 5.0 if 10 <= at < 20 else 1.0
        ours, theirs = drawn(random, 60, times=times), drawn(random, 540, times=times)
        found = compared(found, ours, theirs, rules=RULES)

    assert found.log_evidence < log(5)


def test_nothing_is_compared_before_the_control_is_known():
    """
    What a slowdown looks like is made of the control's answers; without a history they are waited for.
    """
    random = Random(1)
    ours, theirs = drawn(random, 10, times=9.0), drawn(random, 90)

    first = compared(begin(RULES), ours, theirs, rules=RULES)
    second = compared(first, ours, theirs, rules=RULES)
    third = compared(second, ours, theirs, rules=RULES)

    assert (first.log_evidence, second.log_evidence) == (0, 0)
    assert third.log_evidence > 1


def test_the_tilt_is_fair_when_places_are_chance():
    """
    Over every way to draw two of five requests the mean of the ratio is at most 1.
    """
    kinds = [(a, b) for a in range(5) for b in range(a + 1, 5)]
    place = [0, 0, 1, 2, 2]

    for beta in tilt.BETAS:
        dealt = [interval([place[at] for at in drawn_two], place) for drawn_two in kinds]
        ratios = [tilt.drawn(tilt.ranked((beta,), one), one)[0] for one in dealt]
        assert sum(map(exp, ratios)) / len(ratios) == pytest.approx(1, abs=1e-12)


def interval(ours, everybody):
    def ladder(buckets):
        return Ladder(tuple(sum(b > cut for b in buckets) for cut in (0, 1)), len(buckets))

    mine, whole = ladder(ours), ladder(everybody)
    rest = Ladder(tuple(a - b for a, b in zip(whole.slow, mine.slow, strict=True)), whole.total - mine.total)
    return tilt.dealt(mine, rest, shift=(1.0, 1.0))


def test_the_shift_is_that_of_slower_answers():
    """
    On the logit scale, on which it is read off, the tail is that of answers 1.1 times as slow.
    """
    known = Ladder(tuple(round(10**9 * tail(cut, 0.6)) for cut in CUTS), 10**9)

    grown = shifts(known, CUTS, times=1.1)

    for cut, by in zip(CUTS, grown, strict=True):
        assert by == pytest.approx(tail(cut / 1.1, 0.6) / tail(cut, 0.6), rel=0.02)


def test_slower_answers_fill_the_slow_buckets_and_the_odds_say_by_how_much():
    """
    Beyond the last answer that is known nothing can be read off: there it is no less than before.
    """
    known = Ladder((*(round(10**5 * tail(cut, 0.3)) for cut in CUTS[:12]), *(0,) * 6), 10**5)

    found = odds(known, shifts(known, CUTS, times=1.1))

    faster, slower = ([1.0, *(tail(cut / by, 0.3) for cut in CUTS)] for by in (1.0, 1.1))
    for at in range(7, 10):
        really = (slower[at] - slower[at + 1]) / (faster[at] - faster[at + 1])
        assert 0.999 * really <= found[at] <= 1.25 * really
    assert list(found) == sorted(found)
    assert 1 <= found[0] <= found[-1] <= 3


ladders = st.lists(BIG, min_size=len(CUTS) + 1, max_size=len(CUTS) + 1).map(
    lambda numbers: orderly(numbers[1:], numbers[0])
)


@settings(max_examples=50, deadline=None)
@given(ladders, ladders, ladders, ladders)
def test_the_comparison_goes_on_as_if_it_had_not_been_stored(known, ours, theirs, last):
    """
    A keeper that is restarted must not begin anew, nor with other components.
    """
    found = raised(compared(begin(RULES, known), ours, theirs, rules=RULES))

    restored = trial._latency(json.loads(json.dumps(trial._latency_state(found))))

    assert compared(restored, last, last, rules=RULES) == compared(found, last, last, rules=RULES)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(ladders, ladders), min_size=1, max_size=4), ladders)
def test_no_counts_break_the_arithmetic(rows, known):
    """
    From nothing to a billion, in any shape: a number, never NaN.
    """
    found = begin(RULES, known)

    for ours, theirs in rows:
        found = raised(compared(found, ours, theirs, rules=RULES))

    assert isfinite(found.log_evidence)
