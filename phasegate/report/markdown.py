"""Markdown as both of Prefect's user interfaces show it: tables, lists with boxes, safe text."""

import re
from collections.abc import Iterable
from datetime import datetime

_SPECIAL = re.compile(r"([\\`*_\[\]|#~])")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def plain(text: str) -> str:
    """
    *text* on one line, with nothing in it that would be read as markup or HTML.

    Reasons carry request paths, and an approver's comment is whatever was typed.
    """
    words = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _TAG.sub("&lt;", _ENTITY.sub("&amp;", words))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table of ready cells; empty when there are no rows."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", "|" + " --- |" * len(head), *lines])


def bullets(lines: Iterable[str]) -> str:
    """A list of ready lines."""
    return "\n".join(f"- {line}" for line in lines)


def box(text: str, *, done: bool) -> str:
    """A list item with a box."""
    return f"- [{'x' if done else ' '}] {text}"


def sections(*parts: str) -> str:
    """The parts that say something, a blank line between them, a newline at the end."""
    return "\n\n".join(part for part in parts if part) + "\n"


def at(moment: datetime | None) -> str:
    """A time in UTC, or a dash."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "–"


def percent(rate: float) -> str:
    """A fraction as a percentage: ``6.36 %``."""
    return f"{rate * 100:.3g} %"
