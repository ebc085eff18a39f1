"""Freeze windows: times in which nothing new begins and no traffic is raised."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from phasegate.domain.criteria import Rule


class Weekday(StrEnum):
    """The days as a plan writes them, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_MOMENT = r"^(\d{4}-\d{2}-\d{2} )?\d{2}:\d{2}$"


class Freeze(Rule):
    """
    One window: from a date to a date, or on weekdays between two times of day.

    A weekly window whose ``until`` is not after its ``since`` ends on the following day.
    """

    reason: str = Field(min_length=3, description="Why nothing is released then, as people read it.")
    since: str = Field(pattern=_MOMENT, description="YYYY-MM-DD HH:MM; with weekdays a time of day, HH:MM.")
    until: str = Field(pattern=_MOMENT, description="Likewise; the window does not include it.")
    weekdays: tuple[Weekday, ...] = Field(default=(), description="On which days a weekly window begins.")
    timezone: str = Field(default="UTC", description="Name in the IANA database, e.g. Europe/Berlin.")

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            zone = ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"timezone {self.timezone!r} is unknown; allowed: e.g. Europe/Berlin") from None
        read = time.fromisoformat if self.weekdays else datetime.fromisoformat
        if any((len(moment) > 5) is bool(self.weekdays) for moment in (self.since, self.until)):
            raise ValueError("a window has two dates with times, or weekdays with two times of day (HH:MM)")
        for moment in (self.since, self.until):
            read(moment)
        if not self.weekdays and _dated(self.since, zone) >= _dated(self.until, zone):
            raise ValueError("a window ends after it begins")
        return self

    def ends(self, now: datetime) -> datetime | None:
        """When the window that *now* lies in ends; None when *now* lies in none."""
        zone = ZoneInfo(self.timezone)
        if not self.weekdays:
            since, until = _dated(self.since, zone), _dated(self.until, zone)
            return until if since <= now < until else None
        today = now.astimezone(zone).date()
        # A window that began yesterday may still last.
        for day in (today - timedelta(days=1), today):
            since, until = _at(day, self.since, zone), _at(day, self.until, zone)
            if until <= since:
                until = _at(day + timedelta(days=1), self.until, zone)
            if tuple(Weekday)[day.weekday()] in self.weekdays and since <= now < until:
                return until
        return None


def _dated(moment: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=zone)


def _at(day: date, moment: str, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.fromisoformat(moment), tzinfo=zone)


def frozen(freezes: tuple[Freeze, ...], now: datetime) -> tuple[datetime, str] | None:
    """Until when nothing may begin at *now*, and why; None when nothing is frozen. The latest end counts."""
    found = [(until, freeze.reason) for freeze in freezes if (until := freeze.ends(now)) is not None]
    return max(found, default=None)
