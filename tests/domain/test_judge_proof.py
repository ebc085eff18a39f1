"""The confidence sequence: what it proves, and that looking often does not break it."""

from math import isfinite, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain.judge.proof import Standing, bounds, evidence, missing, prove, standing

ALPHA = 0.01
LIMIT = 0.001
COUNTS = st.integers(0, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_nothing_is_proved_by_nothing():
    """
    No data leaves every rate possible.
    """
    proof = prove(0, 0, limit=LIMIT, alpha=ALPHA)

    assert proof.standing is Standing.UNPROVEN
    assert (proof.lower, proof.upper) == (0.0, 1.0)


def test_clean_requests_prove_the_limit_exactly_when_the_missing_number_is_reached():
    """
    "How many more" must be the number that does it, not one more or less.
    """
    needed = missing(0, 0, limit=LIMIT, alpha=ALPHA)

    assert needed is not None
    assert standing(0, needed, limit=LIMIT, alpha=ALPHA) is Standing.PROVEN
    assert standing(0, needed - 1, limit=LIMIT, alpha=ALPHA) is Standing.UNPROVEN
    assert needed == 5_876


def test_a_rate_far_above_the_limit_is_violated():
    """
    Ten failures of a thousand do not come from one in a thousand.
    """
    assert standing(20, 1000, limit=LIMIT, alpha=ALPHA) is Standing.VIOLATED


def test_a_limit_of_nothing_can_never_be_proved():
    """
    "Below 0 %" has no proof, and asking how much is missing ends.
    """
    assert missing(0, 10**6, limit=0.0, alpha=ALPHA) is None
    assert standing(1, 10**6, limit=0.0, alpha=ALPHA) is Standing.VIOLATED


@given(COUNTS, st.floats(1e-6, 0.999))
def test_the_bounds_and_the_standing_agree(counts, limit):
    """
    PROVEN is U <= limit and VIOLATED is L > limit: the sentence and the interval shown are one.
    """
    proof = prove(*counts, limit=limit, alpha=ALPHA)

    assert isfinite(proof.lower)
    assert isfinite(proof.upper)
    assert 0 <= proof.lower <= proof.upper <= 1
    if proof.standing is Standing.PROVEN:
        assert proof.upper <= limit * (1 + 1e-6)
    if proof.standing is Standing.VIOLATED:
        assert proof.lower >= limit * (1 - 1e-6)


@pytest.mark.parametrize(("bad", "total"), [(0, 50), (3, 400), (40, 40), (1, 10**6)])
def test_the_evidence_at_a_bound_is_one_over_alpha(bad, total):
    """
    The bounds are where the evidence reaches 1/alpha; that is their definition.
    """
    for bound in bounds(bad, total, limit=LIMIT, alpha=ALPHA):
        if 0 < bound < 1:
            assert evidence(bad, total, bound, limit=LIMIT) == pytest.approx(-log(ALPHA), abs=1e-4)


def test_looking_after_every_request_seldom_loses_the_true_rate():
    """
    The promise is for all looks together: at 5 % and 300 runs about 15 may miss, not more.
    """
    random, missed, rate, alpha = Random(7), 0, 0.02, 0.05

    for _ in range(300):
        bad = 0
        for total in range(1, 1001):
            bad += random.random() < rate
            if evidence(bad, total, rate, limit=rate) >= -log(alpha):
                missed += 1
                break

    assert missed <= 15
