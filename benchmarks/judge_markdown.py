"""
The tables of docs/judge.md: ``python -m benchmarks.judge_markdown FIGURES``.

FIGURES is what ``python -m benchmarks.judge --json FIGURES`` wrote.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.judge_cells import ALONE, ATTRIBUTED, COMPARED, LATENCY, OTHERS, RATES, STEPS, TRAFFIC, WHOLE
from benchmarks.judge_targets import DESIGN, minutes

Rows = list[dict[str, Any]]
JUDGES = (
    WHOLE,
    COMPARED,
    "mSPRT",
    "windowed z-test",
    "failure-limit (Argo-like)",
    "failed-checks (Flagger-like)",
    "Mann-Whitney (Kayenta-like)",
)


def main(figures: Path) -> None:
    """Print every table."""
    rows: Rows = json.loads(figures.read_text())
    for lines in (_delays(rows), _others(rows), _latency(rows), _beside(rows), _good(rows), _disturbed(rows)):
        print("\n".join(lines), end="\n\n")


def _delays(rows: Rows) -> Iterator[str]:
    yield from _head("requests/s", *(f"{name}" for name in STEPS), "false rollbacks")
    for traffic in TRAFFIC:
        cells = [
            " / ".join(
                (
                    *(_median(rows, judge, traffic, name) for judge in (ALONE, WHOLE)),
                    f"({minutes(DESIGN[traffic][name])})",
                )
            )
            for name in STEPS
        ]
        yield _line(f"{traffic:g}", *cells, _share(_find(rows, ALONE, traffic, "A/A")))


def _others(rows: Rows) -> Iterator[str]:
    yield from _head("requests/s", *OTHERS)
    for traffic in TRAFFIC:
        found = [_find(rows, WHOLE, traffic, name) for name in OTHERS]
        yield _line(f"{traffic:g}", *(f"{_whole(row['median'])} ({_whole(row['p95'])})" for row in found))


def _latency(rows: Rows) -> Iterator[str]:
    yield from _head(
        "requests/s",
        "x 2, alone",
        "x 2",
        "x 1.5",
        "5 % of requests ten times slower",
        "x 1.05: taken back, alone",
    )
    for traffic in TRAFFIC:
        named = ((LATENCY, "slower-2"), (WHOLE, "slower-2"), (WHOLE, "slower-1.5"), (WHOLE, "tail"))
        yield _line(
            f"{traffic:g}",
            *(_median(rows, judge, traffic, name) for judge, name in named),
            _share(_find(rows, LATENCY, traffic, "slower-1.05")),
        )


def _beside(rows: Rows) -> Iterator[str]:
    yield from _head(
        "judge", *(f"{name} at {traffic:g}/s" for name in ("x5", "1%") for traffic in (1, 10, 100))
    )
    for judge in JUDGES[1:]:
        found = [_find(rows, judge, traffic, name) for name in ("x5", "1%") for traffic in (1, 10, 100)]
        yield _line(judge, *(f"{_whole(row['median'])} ({row['failed']:,.0f})" for row in found))


def _good(rows: Rows) -> Iterator[str]:
    yield from _head("judge, base rate", *(f"{traffic:g}/s" for traffic in TRAFFIC))
    for rate in RATES:
        for judge in (ALONE, COMPARED):
            cells = (_share(_find(rows, judge, traffic, "A/A", errors=rate)) for traffic in TRAFFIC)
            yield _line(f"{judge}, {rate * 100:g} %", *cells)


def _disturbed(rows: Rows) -> Iterator[str]:
    kinds = ("none", "burst", "noise", "clusters", "missing", "sampled", "late", "step")
    yield from _head("judge", *kinds)
    for judge in (ALONE, ATTRIBUTED, *JUDGES):
        found = [_worst(rows, judge, kind) for kind in kinds]
        yield _line(judge, *(_share(row) if row else "" for row in found))


def _worst(rows: Rows, judge: str, kind: str) -> dict[str, Any] | None:
    own = [
        row
        for row in rows
        if (row["judge"], row["disturbance"], row["regression"], row["errors"])
        == (judge, kind, "A/A", 0.0005)
    ]
    return max(own, key=lambda row: row["stopped"][0] / row["stopped"][1], default=None)


def _find(rows: Rows, judge: str, traffic: float, name: str, *, errors: float = 0.0005) -> dict[str, Any]:
    wanted = (judge, traffic, name, errors, "none")
    keys = ("judge", "traffic", "regression", "errors", "disturbance")
    return next(row for row in rows if tuple(row[key] for key in keys) == wanted)


def _median(rows: Rows, judge: str, traffic: float, name: str) -> str:
    return _whole(_find(rows, judge, traffic, name)["median"])


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _share(row: dict[str, Any]) -> str:
    bad, total, _, high = row["stopped"]
    digits = 1 if bad / total < 0.1 else 0
    return f"{100 * bad / total:.{digits}f} % (≤ {100 * high:.{digits}f})"


def _head(*names: str) -> Iterable[str]:
    return _line(*names), _line(*("---" for _ in names))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
