"""Durations, rates and traffic as people write them: ``2h``, ``1500ms``, ``0.1%``, ``12rps``."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = timedelta(days=366)
_PER = {"rps": 1, "rpm": 60, "rph": 3600}
_BUSIEST = 10_000_000
_TRAFFIC = re.compile(r"(\d+(?:\.\d+)?) ?(rps|rpm|rph)")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")


def parse_duration(value: Any) -> timedelta:
    """
    Read ``1h30m``, ``500ms`` or a ``timedelta``.

    Raises ValueError naming the value and what is allowed.
    """
    if isinstance(value, timedelta):
        return value
    text = str(value).strip()
    parts = _PART.findall(text)
    if isinstance(value, bool) or not parts or "".join(n + u for n, u in parts) != text:
        raise ValueError(
            f"{value!r} is not a duration; write a number and a unit (ms, s, m, h, d), such as 2h or 1500ms"
        )
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{value!r} is too long; allowed: at most {format_duration(_LONGEST)}")
    duration = timedelta(seconds=seconds)
    if duration % timedelta(milliseconds=1):
        raise ValueError(f"{value!r} is too fine; allowed: whole milliseconds")
    return duration


def format_duration(value: timedelta) -> str:
    """Write a duration the shortest exact way: ``2h``, ``1h30m``, ``1500ms``."""
    millis = round(value.total_seconds() * 1000)
    if millis < 0:
        return f"-{format_duration(-value)}"
    if millis == 0:
        return "0s"
    if millis % 1000:
        return f"{millis}ms"
    text, rest = "", millis // 1000
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        if unit == "d" and rest % size:
            continue
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_traffic(value: Any) -> float:
    """
    Read ``12rps``, ``720rpm`` or ``40000rph``; requests a second.

    Raises ValueError naming the value and what is allowed.
    """
    found = _TRAFFIC.fullmatch(str(value).strip())
    per_second = float(found[1]) / _PER[found[2]] if found else 0.0
    if not 0 < per_second <= _BUSIEST:
        raise ValueError(
            f"{value!r} is not a traffic; write requests per second, minute or hour such as 12rps, 720rpm or "
            f"40000rph, more than 0 and at most {_BUSIEST:,}rps"
        )
    return per_second


def parse_rate(value: Any) -> float:
    """
    Read ``0.1%`` or a fraction such as ``0.001``.

    Raises ValueError when it is neither, or outside 0..1.
    """
    text = str(value).strip()
    try:
        rate = float(Decimal(text[:-1]) / 100) if text.endswith("%") else float(text)
    except (ValueError, ArithmeticError):
        rate = -1.0
    if isinstance(value, bool) or not 0 <= rate <= 1:
        raise ValueError(
            f"{value!r} is not a rate; write a percentage such as 0.1% or a fraction from 0 to 1"
        )
    return rate


def format_rate(value: float) -> str:
    """Write a rate as a percentage for people, with four digits: ``0.1%``."""
    return f"{value * 100:.4g}%"


def exact_rate(value: float) -> str:
    """Write a rate as a percentage that reads back as the same rate: ``0.123456%``."""
    return f"{(Decimal(repr(value)) * 100).normalize():f}%"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema(
        {"type": "string", "pattern": r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", "examples": ["2h", "1500ms"]}
    ),
]
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(exact_rate, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+(\.\d+)?%$"},
                {"type": "number", "minimum": 0, "maximum": 1},
            ]
        }
    ),
]
