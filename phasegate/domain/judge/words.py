"""How numbers are put to a person on call."""

from datetime import timedelta

from phasegate.domain.quantities import format_duration

_WHOLE = {86400: "day", 3600: "hour", 60: "minute", 1: "second"}
_SURE = 10**12


def percent(rate: float) -> str:
    """A rate as a percentage with three digits: ``6.36 %``."""
    return f"{rate * 100:.3g} %"


def count(number: int) -> str:
    """A whole number with commas: ``2,010``."""
    return f"{number:,}"


def share(bad: int, total: int) -> str:
    """Counts and their rate: ``14 of 220 requests (6.36 %)``."""
    if not total:
        return "no requests"
    return f"{count(bad)} of {count(total)} requests ({percent(bad / total)})"


def last(span: timedelta) -> str:
    """A window as it is spoken: ``the last minute``, ``the last 5 minutes``, ``the last 1h30m``."""
    seconds = span.total_seconds()
    for size, name in _WHOLE.items():
        if seconds == size:
            return f"the last {name}"
        if seconds > size and seconds % size == 0:
            return f"the last {int(seconds // size)} {name}s"
    return f"the last {format_duration(span)}"


def lasting(span: timedelta) -> str:
    """A stretch of time in whole seconds: ``6m10s``."""
    return format_duration(timedelta(seconds=round(max(span, timedelta(0)).total_seconds())))


def chance(probability: float) -> str:
    """A small probability as odds with two digits: ``1 in 40,000``."""
    if probability * _SURE < 1:
        return f"less than 1 in {count(_SURE)}"
    odds = float(f"{1 / probability:.2g}")
    return f"1 in {count(round(odds))}"


def evidence(value: float) -> str:
    """Evidence with two digits, plain up to a million: ``0.42``, ``41,000``, ``3.1e+09``."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if 10 <= rounded < 1_000_000 else f"{rounded:.2g}"


def unit(interval: timedelta) -> str:
    """What intervals are called: ``minutes``, ``seconds``."""
    return "minutes" if interval >= timedelta(minutes=1) else "seconds"
