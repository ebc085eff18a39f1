"""Freeze windows: when nothing begins and no traffic is raised."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from phasegate.domain.freeze import Freeze, Weekday, frozen

CHRISTMAS = Freeze(
    reason="nobody is here", since="2026-12-24 00:00", until="2026-12-27 00:00", timezone="Europe/Berlin"
)
WEEKEND = Freeze(
    reason="the weekend",
    since="17:00",
    until="08:00",
    weekdays=(Weekday.FRIDAY, Weekday.SATURDAY, Weekday.SUNDAY),
    timezone="Europe/Berlin",
)


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        ("2026-12-23 22:59", None),
        ("2026-12-23 23:00", "2026-12-26 23:00"),
        ("2026-12-26 22:59", "2026-12-26 23:00"),
        ("2026-12-26 23:00", None),
    ],
)
def test_a_dated_window_is_of_its_own_timezone_and_does_not_include_its_end(moment: str, ends: str | None):
    """
    Midnight in Berlin is eleven at night in UTC.
    """
    assert CHRISTMAS.ends(at(moment)) == (at(ends) if ends else None)


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        ("2026-07-03 14:59", None),
        ("2026-07-03 15:00", "2026-07-04 06:00"),
        ("2026-07-04 05:59", "2026-07-04 06:00"),
        ("2026-07-04 12:00", None),
        ("2026-01-02 15:30", None),
        ("2026-01-02 16:00", "2026-01-03 07:00"),
    ],
)
def test_a_weekly_window_may_last_over_midnight_and_keeps_to_the_local_time(moment: str, ends: str | None):
    """
    Five in the afternoon is another hour of UTC in summer than in winter.
    """
    assert WEEKEND.ends(at(moment)) == (at(ends) if ends else None)


def test_of_two_windows_the_later_end_counts():
    """
    Whoever waits for the first would stand in the second.
    """
    long = CHRISTMAS.model_copy(update={"until": "2027-01-07 00:00", "reason": "the long one"})

    assert frozen((CHRISTMAS, long), at("2026-12-25 00:00")) == (at("2027-01-06 23:00"), "the long one")
    assert frozen((CHRISTMAS, long), at("2026-12-01 00:00")) is None


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone 'Mars/Olympus' is unknown"),
        ({"since": "17:00"}, "two dates with times, or weekdays"),
        ({"weekdays": ("friday",)}, "two dates with times, or weekdays"),
        ({"until": "2026-12-01 00:00"}, "ends after it begins"),
        ({"since": "2026-13-40 00:00"}, "month must be in 1..12"),
    ],
)
def test_a_window_that_cannot_be_is_refused_in_words(fields: dict[str, object], says: str):
    """
    A freeze that nobody can read would freeze nothing.
    """
    with pytest.raises(ValidationError, match=says):
        Freeze.model_validate(CHRISTMAS.model_dump() | fields)
