"""The part of a picture that shows how the evidence against a canary went, and how sure its rates are."""

from collections.abc import Callable, Iterator
from datetime import datetime
from math import ceil, log10, sqrt

from phasegate.report.drawing import CANARY, FAINT, INK, LEFT, LIMIT, RIGHT, STABLE, rule, words

TOP, BOTTOM = 258, 340
LEAST, MOST = -1.0, 9.0
_Z = 1.96

Point = tuple[datetime, float]
Place = Callable[[datetime], float]


def evidence_panel(path: tuple[Point, ...], *, decided: float, x: Place) -> Iterator[str]:
    """
    Draw *path* (when, log10 of the evidence) on a logarithmic scale with the rollback line at *decided*.

    What lies above or below the scale is drawn at its edge.
    """
    line = log10(decided)
    highest = min(MOST, max(ceil(line) + 1.0, ceil(max(value for _, value in path))))

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (min(max(value, LEAST), highest) - LEAST) / (highest - LEAST)

    yield words(LEFT, TOP - 8, "evidence against the canary", size=10)
    for value in (0.0, highest):
        yield rule(LEFT, y(value), RIGHT, y(value), FAINT)
        yield words(LEFT - 6, y(value) + 4, _power(value), anchor="end", size=10)
    yield rule(LEFT, y(line), RIGHT, y(line), LIMIT, dash="6 4")
    yield words(RIGHT, y(line) - 4, f"rollback at {decided:,.0f}", anchor="end", size=10, fill=LIMIT)
    points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in path)
    yield f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="2"/>'
    at, value = path[-1]
    yield f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="2.5" fill="{INK}"/>'


def whisker(x: float, pair: tuple[int, int], *, who: str, y: Callable[[float], float]) -> Iterator[str]:
    """The 95 % interval (Wilson) of a rate, as a vertical line with feet."""
    low, high = interval(*pair)
    colour = CANARY if who == "canary" else STABLE
    yield rule(x, y(low), x, y(high), colour, width=1.4)
    for edge in (low, high):
        yield rule(x - 3, y(edge), x + 3, y(edge), colour, width=1.4)


def interval(bad: int, total: int) -> tuple[float, float]:
    """The Wilson score interval at 95 %; *total* is not 0."""
    rate, square = min(bad / total, 1.0), _Z * _Z / total
    middle = rate + square / 2
    half = _Z * sqrt((rate * (1 - rate) + square / 4) / total)
    low, high = (middle - half) / (1 + square), (middle + half) / (1 + square)
    return (max(low, 0.0) if bad else 0.0), (min(high, 1.0) if bad < total else 1.0)


def _power(value: float) -> str:
    return f"{10**value:,.0f}" if value < 5 else f"1e{value:.0f}"
