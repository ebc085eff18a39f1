"""Durations and rates are written as people write them, and read back as the same value."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phasegate.domain.quantities import exact_rate, format_duration, format_rate, parse_duration, parse_rate

DURATIONS = st.integers(min_value=0, max_value=366 * 86_400_000).map(lambda ms: timedelta(milliseconds=ms))


@given(DURATIONS)
def test_a_duration_reads_back_as_itself(duration):
    """
    A plan is stored as text and judged again after a restart; nothing may shift.
    """
    assert parse_duration(format_duration(duration)) == duration


@given(st.floats(min_value=0, max_value=1))
def test_a_rate_reads_back_as_itself(rate):
    """
    The digest is taken over written rates, so two rates never look alike.
    """
    assert parse_rate(exact_rate(rate)) == rate


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("2h", 7200), ("1h30m", 5400), ("1500ms", 1.5), ("0.5s", 0.5), ("24h", 86400), (" 5m ", 300), ("0s", 0)],
)
def test_a_duration_is_a_number_and_a_unit(written, seconds):
    """
    The forms that the runbook uses, and their combinations.
    """
    assert parse_duration(written) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "written", ["2", 2, "h", "2 h 3", "1:30", "-5m", "5 lightyears", "", True, None, "1h30"]
)
def test_a_bare_number_is_no_duration(written):
    """
    Two of what? The message says what to write instead.
    """
    with pytest.raises(ValueError, match=r"is not a duration; write a number and a unit \(ms, s, m, h, d\)"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["367d", "999999999999999999999d", "9e9d"])
def test_an_absurd_duration_is_one_clear_error(written):
    """
    A duration that overflows must not end in a traceback.
    """
    with pytest.raises(ValueError, match=r"too long; allowed: at most 366d|is not a duration"):
        parse_duration(written)


def test_a_fraction_of_a_millisecond_is_refused():
    """
    It could not be written back.
    """
    with pytest.raises(ValueError, match=r"'0\.5ms' is too fine; allowed: whole milliseconds"):
        parse_duration("0.5ms")


@pytest.mark.parametrize(
    ("duration", "written"),
    [
        (timedelta(hours=2), "2h"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(milliseconds=1500), "1500ms"),
        (timedelta(days=3), "3d"),
        (timedelta(hours=30, minutes=5), "30h5m"),
        (timedelta(seconds=-5), "-5s"),
    ],
)
def test_a_duration_is_written_the_shortest_way(duration, written):
    """
    People read it in tables and messages.
    """
    assert format_duration(duration) == written


@pytest.mark.parametrize(
    ("written", "rate"), [("0.1%", 0.001), ("1 %", 0.01), (0.05, 0.05), ("100%", 1), (0, 0)]
)
def test_a_rate_is_a_percentage_or_a_fraction(written, rate):
    """
    0.1% is exactly the fraction 0.001, with no error from dividing floats.
    """
    assert parse_rate(written) == rate


@pytest.mark.parametrize("written", ["1.1", "101%", "-1%", "nan", "nan%", "inf%", "a lot", "%", True, None])
def test_a_share_outside_nothing_to_all_is_refused(written):
    """
    NaN compares false with everything: as a limit it would never be broken.
    """
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rate(written)


def test_a_rate_is_shown_with_four_digits():
    """
    Measured rates go into sentences.
    """
    assert format_rate(0.0123456) == "1.235%"
