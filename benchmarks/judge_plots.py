"""
The pictures of docs/judge.md: ``python -m benchmarks.judge_plots FIGURES FOLDER``.

FIGURES is what ``python -m benchmarks.judge --json FIGURES`` wrote.
"""

import json
import sys
from math import log
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.judge_cells import COMPARED, TRAFFIC
from phasegate.simulation.draw import draw
from phasegate.simulation.phasegate_judge import Terms, log_errors
from phasegate.simulation.scenario import Regression, Scenario

# Okabe and Ito's palette, which every kind of colour vision tells apart; ours is drawn thicker.
STYLES = {
    COMPARED: ("#000000", "o", "phasegate"),
    "mSPRT": ("#0072B2", "s", "mSPRT"),
    "windowed z-test": ("#D55E00", "^", "windowed z-test"),
    "failure-limit (Argo-like)": ("#009E73", "v", "failure limit (Argo-like)"),
    "failed-checks (Flagger-like)": ("#CC79A7", "D", "failed checks (Flagger-like)"),
    "Mann-Whitney (Kayenta-like)": ("#E69F00", "P", "Mann-Whitney (Kayenta-like)"),
}
NEVER = 700
CONDITIONS = {
    "none": "nothing wrong",
    "burst": "burst on both arms",
    "noise": "common noise",
    "clusters": "retry clusters",
    "missing": "missing minutes",
    "sampled": "1 in 10 sampled",
}
Rows = list[dict[str, Any]]


def main(figures: Path, folder: Path) -> None:
    """Draw all pictures."""
    rows: Rows = json.loads(figures.read_text())
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    for name, picture in (
        ("judge-delay", delays(rows)),
        ("judge-false-rollbacks", false_rollbacks(rows)),
        ("judge-evidence", evidence()),
    ):
        picture.savefig(folder / f"{name}.png", dpi=90, metadata={"Software": None})


def delays(rows: Rows) -> Figure:
    """Median minutes to roll back over traffic, for two regressions."""
    picture = Figure(figsize=(8.6, 3.9), layout="constrained")
    panels = picture.subplots(1, 2, sharey=True)
    for axes, (name, title) in zip(panels, (("x5", "errors x 5"), ("1%", "errors to 1 %")), strict=True):
        for judge, style in STYLES.items():
            _delay_line(
                axes, [row for row in rows if row["judge"] == judge and row["regression"] == name], style
            )
        axes.set(xscale="log", yscale="log", title=title, xlabel="requests per second, all traffic")
        axes.axhline(360, color="#999999", lw=0.8, ls=":")
        axes.set_yticks([1, 10, 60, 360, NEVER], ["1", "10", "60", "360", "never"])
        axes.set_xticks(TRAFFIC, [f"{rate:g}" for rate in TRAFFIC])
        axes.minorticks_off()
    panels[0].set_ylabel("median minutes until rollback")
    picture.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return picture


def _delay_line(axes: Axes, rows: Rows, style: tuple[str, str, str]) -> None:
    found = {row["traffic"]: row["median"] for row in rows if row["disturbance"] == "none"}
    colour, marker, label = style
    values = [found.get(rate) or NEVER for rate in TRAFFIC]
    width = 2.4 if label == "phasegate" else 1.2
    axes.plot(TRAFFIC, values, color=colour, marker=marker, ms=5, lw=width, label=label)


def false_rollbacks(rows: Rows) -> Figure:
    """Rollbacks of good versions at 10 requests a second, by what happens to both arms."""
    picture = Figure(figsize=(8.6, 4.6), layout="constrained")
    axes = picture.subplots()
    step = 1 / (len(STYLES) + 2)
    for number, (judge, style) in enumerate(STYLES.items()):
        for place, condition in enumerate(CONDITIONS):
            row = _good(rows, judge, condition)
            if row:
                _interval(axes, place + number * step, row, style, named=place == 0)
    axes.axvline(1, color="#b91c1c", lw=1, ls="--")
    axes.text(1.05, -0.3, "promised: 1 %", color="#b91c1c", fontsize=8, va="center")
    axes.set_yticks([place + 0.3 for place in range(len(CONDITIONS))], list(CONDITIONS.values()))
    axes.set(xscale="symlog", xlim=(-0.1, 130), ylim=(len(CONDITIONS), -0.5))
    axes.set_xscale("symlog", linthresh=0.5)
    axes.set_xticks([0, 0.5, 1, 5, 20, 100], ["0", "0.5 %", "1 %", "5 %", "20 %", "100 %"])
    axes.minorticks_off()
    axes.set_xlabel(
        "good versions taken back in six hours, with exact 95 % intervals (10 requests/s, base 0.05 %)"
    )
    picture.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return picture


def _good(rows: Rows, judge: str, condition: str) -> dict[str, Any] | None:
    for row in rows:
        same = (row["traffic"], row["errors"], row["regression"]) == (10, 0.0005, "A/A")
        if same and row["judge"] == judge and row["disturbance"] == condition:
            return row
    return None


def _interval(axes: Axes, y: float, row: dict[str, Any], style: tuple[str, str, str], *, named: bool) -> None:
    bad, total, low, high = row["stopped"]
    colour, marker, label = style
    axes.plot([100 * low, 100 * high], [y, y], color=colour, lw=1.6)
    axes.plot(
        [100 * bad / total], [y], color=colour, marker=marker, ms=5, ls="", label=label if named else None
    )


def evidence() -> Figure:
    """The evidence of one release that becomes bad after 40 minutes, beside twenty good ones."""
    picture = Figure(figsize=(8.6, 3.9), layout="constrained")
    axes = picture.subplots()
    bad = Scenario(10, regression=Regression("late", to=0.01, onset=40))
    paths = log_errors(draw(bad.good(), 20), Terms()) / log(10)
    for number, path in enumerate(paths):
        axes.plot(
            np.arange(1, 361), path, color="#bbbbbb", lw=0.8, label="good versions" if number == 0 else None
        )
    path = log_errors(draw(bad, 1), Terms())[0] / log(10)
    stop = int((path >= 2).argmax()) + 1
    axes.plot(
        np.arange(1, stop + 1), path[:stop], color="#000000", lw=2.2, label="errors to 1 % from minute 40"
    )
    axes.plot([stop], [path[stop - 1]], color="#000000", marker="o", ms=6)
    axes.axhline(2, color="#b91c1c", lw=1, ls="--")
    axes.text(358, 2.08, "rollback at 100", color="#b91c1c", ha="right", fontsize=8)
    axes.axvline(40, color="#999999", lw=0.8, ls=":")
    axes.axvline(120, color="#999999", lw=0.8, ls=":")
    axes.text(122, -1.9, "10 % to 50 %", color="#666666", fontsize=8)
    axes.set(
        ylim=(-2, 3.2), xlim=(0, 360), xlabel="minutes since deploy", ylabel="evidence against the canary"
    )
    axes.set_yticks([-2, -1, 0, 1, 2, 3], ["0.01", "0.1", "1", "10", "100", "1,000"])
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 0.72))
    return picture


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
