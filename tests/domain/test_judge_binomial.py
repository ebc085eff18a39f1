"""The binomial tail against an independent exact sum."""

import itertools
from fractions import Fraction
from math import comb, isfinite

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain.judge.binomial import tail

RATES = (Fraction(1, 1000), Fraction(25, 1000), Fraction(1, 3), Fraction(9, 10))


def exact_tails(total: int, rate: Fraction) -> list[Fraction]:
    """P(at least k of *total*) for k = 0..total."""
    each = [comb(total, k) * rate**k * (1 - rate) ** (total - k) for k in range(total + 1)]
    return list(itertools.accumulate(reversed(each)))[::-1]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("total", [1, 2, 7, 60, 220])
def test_the_tail_is_the_exact_sum(total, rate):
    """
    A wrong tail takes good versions back or leaves bad ones in.
    """
    for bad, expected in enumerate(map(float, exact_tails(total, rate))):
        found = tail(bad, total, float(rate))

        assert found == pytest.approx(expected, rel=1e-9, abs=1e-290)


def test_no_bad_request_is_certain_and_more_than_all_is_impossible():
    """
    The edges are exact, not nearly so.
    """
    assert tail(0, 100, 0.001) == 1.0
    assert tail(101, 100, 0.001) == 0.0
    assert tail(1, 100, 0.0) == 0.0
    assert tail(100, 100, 1.0) == 1.0


def test_a_billion_requests_agree_with_the_normal_law():
    """
    Near the mean of a billion requests the tail is one half less the normal law's correction.
    """
    at_mean = tail(1_000_000, 10**9, 0.001)

    above = tail(1_003_000, 10**9, 0.001)

    assert at_mean == pytest.approx(0.5, abs=1e-3)
    assert above == pytest.approx(0.00135, rel=0.02)


@given(
    st.integers(0, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.floats(0, 1, allow_nan=False),
)
def test_the_tail_is_a_probability(counts, rate):
    """
    Whatever is counted, no NaN, no overflow, nothing outside 0..1.
    """
    found = tail(*counts, rate)

    assert isfinite(found)
    assert 0 <= found <= 1


@given(st.integers(1, 10**6), st.floats(1e-6, 0.5))
def test_more_bad_requests_are_less_likely(total, rate):
    """
    One more failure never makes a breach look more like chance.
    """
    steps = sorted({0, 1, total // 100, total // 10, total // 2, total})

    tails = [tail(bad, total, rate) for bad in steps]

    assert all(b <= a + 1e-9 for a, b in itertools.pairwise(tails))
