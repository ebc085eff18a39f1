"""The latency sketch: its error, its edges, its sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.adapters.load_sketch import BINS, LatencySketch

pytestmark = pytest.mark.patient

latencies = st.lists(st.floats(min_value=1.0, max_value=59_000.0), min_size=1, max_size=300)


def sketch_of(values):
    sketch = LatencySketch()
    for value in values:
        sketch.add(value)
    return sketch


def quantiles(sketch):
    return [sketch.quantile(share / 20) for share in range(21)]


def test_there_are_557_bins():
    """
    The number that a day of windows was sized for.
    """
    assert BINS == 557


@given(latencies, st.floats(min_value=0.01, max_value=1.0))
def test_a_quantile_is_within_one_percent_of_numpy(values, share):
    """
    The gate compares with limits; more error than this would decide wrongly beside them.
    """
    truth = float(np.quantile(values, share, method="inverted_cdf"))

    assert sketch_of(values).quantile(share) == pytest.approx(truth, rel=0.0101)


@given(latencies, latencies)
def test_merging_is_the_same_in_any_order(left, right):
    """
    A replay must come to the same bits.
    """
    one, other = sketch_of(left), sketch_of(right)
    one.merge(sketch_of(right))
    other.merge(sketch_of(left))

    assert quantiles(one) == quantiles(other) == quantiles(sketch_of(left + right))
    assert one.count == len(left) + len(right)


def test_an_empty_sketch_has_no_quantile():
    """
    No data is not zero.
    """
    assert LatencySketch().quantile(0.95) is None


def test_both_ends_are_bounded():
    """
    A negative or an endless latency is counted, not lost.
    """
    sketch = sketch_of([-1.0, 0.0, 0.3, 1e9])

    assert sketch.quantile(0.5) == 1.0
    assert sketch.quantile(1.0) == pytest.approx(60_000, rel=0.02)
    assert sketch.count == 4


def test_a_quantile_is_a_share():
    """
    95 instead of 0.95 is a mistake worth an error.
    """
    with pytest.raises(ValueError, match="a share from 0 to 1, not 95"):
        LatencySketch().quantile(95)
