"""
Small pictures for a gate's form: error rate and requests of canary and stable over time.

The SVG is written by hand because it is drawn while a run is starting: importing a
plotting library there costs a second, and a form shows nothing but lines and text.
"""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from math import ceil, floor, log10

from phasegate.domain.observation import Minute
from phasegate.domain.quantities import format_duration
from phasegate.report.drawing import (
    CANARY,
    FAINT,
    LEFT,
    LIMIT,
    RIGHT,
    STABLE,
    WIDTH,
    percent,
    rule,
    short,
    words,
)
from phasegate.report.plot_evidence import evidence_panel, whisker

HEIGHT, EVIDENCE_HEIGHT = 240, 112
RATE_TOP, RATE_BOTTOM = 42, 142
COUNT_TOP, COUNT_BOTTOM = 166, 212
MOST_BUCKETS, STRETCHES = 96, 8


@dataclass(frozen=True)
class Bucket:
    """Neighbouring intervals put together; ``canary`` and ``stable`` are ``(failed, total)``."""

    start: datetime
    length: timedelta
    canary: tuple[int, int]
    stable: tuple[int, int]

    @property
    def middle(self) -> datetime:
        """Where its point is drawn."""
        return self.start + self.length / 2


@dataclass(frozen=True)
class _Scale:
    since: datetime
    until: datetime
    rate: float
    count: int

    def x(self, at: datetime) -> float:
        return LEFT + (RIGHT - LEFT) * ((at - self.since) / (self.until - self.since))

    def y_rate(self, rate: float) -> float:
        return RATE_BOTTOM - (RATE_BOTTOM - RATE_TOP) * min(rate / self.rate, 1)

    def y_count(self, count: float) -> float:
        return COUNT_BOTTOM - (COUNT_BOTTOM - COUNT_TOP) * count / self.count


def evidence_svg(
    minutes: tuple[Minute, ...],
    *,
    stable: str,
    canary: str,
    limit: float | None,
    title: str,
    labels: tuple[str, str] = ("stable", "canary"),
    path: tuple[tuple[datetime, float], ...] = (),
    decided: float = 100,
) -> str:
    """
    Draw the share of failed requests of two versions (by id) with the rollback line, and their requests.

    *limit* is a fraction, None draws no line; *labels* name stable and canary. Time
    is UTC. An interval without requests leaves a gap: no requests are not no errors. Whiskers are the
    95 % intervals of the rates of eight stretches of time. *path* is the evidence against the
    canary as a verdict carries it, drawn against the rollback line at *decided*.
    """
    buckets = merge(minutes, stable=stable, canary=canary)
    if not any(bucket.canary[1] + bucket.stable[1] for bucket in buckets):
        return _document(title, labels, [words(WIDTH / 2, 120, "no requests were seen", anchor="middle")])
    scale = _scale(buckets, limit)
    parts = [
        *_rate_axis(scale),
        *_limit_line(scale, limit),
        *_count_axis(scale, buckets[0].length),
        *_time_axis(scale),
        *_bars(scale, buckets),
        *_line(scale, buckets, "stable", STABLE),
        *_line(scale, buckets, "canary", CANARY),
        *_whiskers(scale, buckets),
    ]
    shown = tuple(point for point in path if point[0] > scale.since)
    if not shown:
        return _document(title, labels, parts)
    panel = evidence_panel(shown, decided=decided, x=lambda at: scale.x(min(at, scale.until)))
    return _document(title, labels, [*parts, *panel], height=HEIGHT + EVIDENCE_HEIGHT)


def data_uri(svg: str) -> str:
    """The picture as an address that Markdown can embed; a raw ``<svg>`` is not rendered in a form."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def merge(minutes: Iterable[Minute], *, stable: str, canary: str) -> tuple[Bucket, ...]:
    """
    Intervals in order of time, put together until at most 96 are left; counts are added, never averaged.
    """
    rows = sorted(minutes, key=lambda minute: minute.start)
    if not rows:
        return ()
    origin, length = rows[0].start, min(row.length for row in rows)
    step = length * max(1, ceil((rows[-1].end - origin) / length / MOST_BUCKETS))
    groups: dict[int, list[Minute]] = {}
    for row in rows:
        groups.setdefault((row.start - origin) // step, []).append(row)
    return tuple(
        Bucket(origin + step * place, step, _pair(group, canary), _pair(group, stable))
        for place, group in sorted(groups.items())
    )


def _pair(group: list[Minute], version: str) -> tuple[int, int]:
    failed = sum(minute.errors(version) for minute in group) if version else 0
    return failed, sum(minute.total(version) for minute in group) if version else 0


def _scale(buckets: tuple[Bucket, ...], limit: float | None) -> _Scale:
    pairs = [pair for bucket in buckets for pair in (bucket.canary, bucket.stable)]
    highest = max(failed / total for failed, total in pairs if total)
    return _Scale(
        since=buckets[0].start,
        until=buckets[-1].start + buckets[-1].length,
        rate=_round_up(min(1.0, max(1.1 * highest, 1.5 * (limit or 0), 0.001))),
        count=max(bucket.canary[1] + bucket.stable[1] for bucket in buckets),
    )


def _round_up(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 5 times a power of ten."""
    power = 10.0 ** floor(log10(value))
    return next((step * power for step in (1, 1.5, 2, 3, 5) if step * power >= value * 0.999999), 10 * power)


def _rate_axis(scale: _Scale) -> Iterator[str]:
    yield words(LEFT, RATE_TOP - 8, "failed requests", size=10)
    for share in (0, 0.5, 1):
        y = scale.y_rate(scale.rate * share)
        yield rule(LEFT, y, RIGHT, y, FAINT)
        yield words(LEFT - 6, y + 4, percent(scale.rate * share), anchor="end", size=10)


def _limit_line(scale: _Scale, limit: float | None) -> Iterator[str]:
    if limit is None:
        return
    y = scale.y_rate(limit)
    yield rule(LEFT, y, RIGHT, y, LIMIT, dash="6 4")
    yield words(RIGHT, y - 4, f"rollback above {percent(limit)}", anchor="end", size=10, fill=LIMIT)


def _count_axis(scale: _Scale, length: timedelta) -> Iterator[str]:
    yield words(LEFT, COUNT_TOP - 6, f"requests per {format_duration(length)}", size=10)
    yield rule(LEFT, COUNT_BOTTOM, RIGHT, COUNT_BOTTOM, FAINT)
    yield words(LEFT - 6, COUNT_TOP + 8, f"{scale.count:,}", anchor="end", size=10)
    yield words(LEFT - 6, COUNT_BOTTOM + 1, "0", anchor="end", size=10)


def _time_axis(scale: _Scale) -> Iterator[str]:
    span = scale.until - scale.since
    form = (
        "%H:%M:%S"
        if span < timedelta(minutes=10)
        else "%H:%M"
        if span <= timedelta(days=1)
        else "%d %b %H:%M"
    )
    for tick in range(5):
        at = scale.since + span * tick / 4
        anchor = ("start", "middle", "middle", "middle", "end")[tick]
        zone = " UTC" if tick == 4 else ""
        yield words(scale.x(at), COUNT_BOTTOM + 16, f"{at:{form}}{zone}", anchor=anchor, size=10)


def _bars(scale: _Scale, buckets: tuple[Bucket, ...]) -> Iterator[str]:
    """Requests as stacked bars, the canary's at the foot where few of many can still be seen."""
    for bucket in buckets:
        left, right = scale.x(bucket.start), scale.x(bucket.start + bucket.length)
        foot = 0
        for count, colour in ((bucket.canary[1], CANARY), (bucket.stable[1], STABLE)):
            if count:
                top = scale.y_count(foot + count)
                height = scale.y_count(foot) - top
                yield (
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left - 0.6, 0.6):.1f}" '
                    f'height="{height:.1f}" fill="{colour}" fill-opacity="0.75"/>'
                )
            foot += count


def _line(scale: _Scale, buckets: tuple[Bucket, ...], who: str, colour: str) -> Iterator[str]:
    for run in _runs(buckets, who):
        points = [(scale.x(b.middle), scale.y_rate(getattr(b, who)[0] / getattr(b, who)[1])) for b in run]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dash = ' stroke-dasharray="4 2"' if who == "stable" else ""
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        if len(points) == 1:
            yield f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2.5" fill="{colour}"/>'


def _whiskers(scale: _Scale, buckets: tuple[Bucket, ...]) -> Iterator[str]:
    """Few and wide: the interval of a single bucket with five requests says nothing."""
    each = ceil(len(buckets) / STRETCHES)
    for first in range(0, len(buckets), each):
        stretch = buckets[first : first + each]
        middle = (scale.x(stretch[0].start) + scale.x(stretch[-1].start + stretch[-1].length)) / 2
        for who, aside in (("stable", 4), ("canary", -4)):
            bad, total = (sum(getattr(bucket, who)[at] for bucket in stretch) for at in (0, 1))
            if total:
                yield from whisker(middle + aside, (min(bad, total), total), who=who, y=scale.y_rate)


def _runs(buckets: tuple[Bucket, ...], who: str) -> Iterator[list[Bucket]]:
    """The stretches of neighbouring buckets in which *who* served anything."""
    run: list[Bucket] = []
    for bucket in buckets:
        served = getattr(bucket, who)[1] > 0
        if run and (not served or bucket.start - run[-1].start > bucket.length):
            yield run
            run = []
        if served:
            run.append(bucket)
    if run:
        yield run


def _document(title: str, labels: tuple[str, str], parts: Iterable[str], *, height: int = HEIGHT) -> str:
    stable, canary = (short(label, 20) for label in labels)
    legend = (
        f'<tspan fill="{CANARY}">━ {escape(canary)}</tspan>'
        f'<tspan fill="{STABLE}" dx="12">╍ {escape(stable)}</tspan>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="system-ui,sans-serif" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>'
        f"{words(8, 18, short(title, 44), size=13, weight='bold')}"
        f'<text x="{RIGHT}" y="18" text-anchor="end" font-size="11">{legend}</text>'
        f"{''.join(parts)}</svg>"
    )
