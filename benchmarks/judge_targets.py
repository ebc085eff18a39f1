"""Whether the judge reaches what it was designed to reach, with the figures."""

from dataclasses import dataclass, replace
from math import inf

from benchmarks import judge_cells as cells
from benchmarks.judge_cost import Cost
from phasegate.simulation.backtest import Row
from phasegate.simulation.scenario import Disturbance

# Median minutes to roll back that the design reached (base .05 %, 10 % canary); inf: not within six hours.
DESIGN = {
    0.2: {"x2": inf, "x5": inf, "1%": 159, "5%": 35, "50%": 4},
    1: {"x2": inf, "x5": 202, "1%": 56, "5%": 8, "50%": 2},
    10: {"x2": 230, "x5": 66, "1%": 7, "5%": 2, "50%": 2},
    100: {"x2": 51, "x5": 7, "1%": 2, "5%": 2, "50%": 2},
    1000: {"x2": 7, "x5": 2, "1%": 2, "5%": 2, "50%": 2},
}
LATENCY = {0.2: 16, 1: 4, 10: 2, 100: 2, 1000: 2}
# Standard errors, and the rollouts by which the design's medians were measured.
_SLACK, _DESIGNED_BY = 3.0, 1200


@dataclass(frozen=True)
class Target:
    """One thing that was asked for: whether it holds, and what was measured."""

    what: str
    held: bool
    measured: str
    asked: bool = True

    @property
    def word(self) -> str:
        """PASS or FAIL; NOTE where the figure follows from the plan and nothing is promised."""
        return ("PASS" if self.held else "FAIL") if self.asked else "NOTE"


def targets(groups: dict[str, tuple[Row, ...]], cost: Cost) -> tuple[Target, ...]:
    """Every target, in the order of the tables."""
    return (
        *(_medians(groups["detection"], judge) for judge in (cells.ALONE, cells.WHOLE)),
        *(_false(groups["false"], judge) for judge in (cells.ALONE, cells.COMPARED)),
        *_false_with_limits(groups["false"]),
        *(_disturbed(groups["disturbed"], judge) for judge in (cells.ALONE, cells.COMPARED)),
        *_attributed(groups["disturbed"]),
        *(_stepped(groups["disturbed"], judge) for judge in (cells.ALONE, cells.COMPARED)),
        *(_slower(groups["latency"], judge) for judge in (cells.LATENCY, cells.WHOLE)),
        *(_harmless(groups["latency"], judge) for judge in (cells.LATENCY, cells.WHOLE)),
        *_costs(cost),
    )


def _medians(rows: tuple[Row, ...], judge: str) -> Target:
    own = [row for row in rows if row.outcome.judge == judge]
    late = [
        f"{row.scenario.regression.name} at {row.scenario.traffic:g}/s {minutes(row.outcome.median)}, "
        f"±{row.outcome.median_error:g}, design {minutes(design)}"
        for row in own
        if row.outcome.median > _allowed(row, design := _design(row))
    ]
    said = "; ".join(late) or f"all {len(own)} cells"
    return Target(f"median delay as designed, within simulation error ({judge})", not late, said)


def _design(row: Row) -> float:
    return DESIGN[row.scenario.traffic][row.scenario.regression.name]


def _allowed(row: Row, design: float) -> float:
    """
    The design's median and three standard errors of both simulations, and the minute that rounding takes.

    The design's own error is not known: its delays are taken to scatter as these do.
    """
    error = row.outcome.median_error * (1 + row.outcome.stopped.total / _DESIGNED_BY) ** 0.5
    return design + (_SLACK * error if error < inf else 0.0) + 1


def _false(rows: tuple[Row, ...], judge: str) -> Target:
    own = [row for row in rows if row.outcome.judge == judge]
    worst = max(own, key=lambda row: row.outcome.stopped.bad / row.outcome.stopped.total)
    held = all(row.outcome.stopped.value <= 0.01 and row.outcome.stopped.interval[1] <= 0.015 for row in own)
    return Target(f"false rollbacks <= 1 %, upper limit <= 1.5 % ({judge})", held, _worst(worst))


def _false_with_limits(rows: tuple[Row, ...]) -> tuple[Target, Target]:
    """A service whose usual rate is at a limit of the plan breaks the plan: taking it back is no mistake."""
    kept = tuple(row for row in rows if row.scenario.errors < cells.LOWEST_LIMIT)
    broken = tuple(row for row in rows if row.scenario.errors >= cells.LOWEST_LIMIT)
    found = _false(broken, cells.WHOLE)
    what = f"base rate that itself breaks the plan's {cells.LOWEST_LIMIT:.1%}: taken back as the plan says"
    return _false(kept, cells.WHOLE), replace(found, what=f"{what} ({cells.WHOLE})", asked=False)


def _disturbed(rows: tuple[Row, ...], judge: str) -> Target:
    own = [row for row in rows if row.outcome.judge == judge]
    own = [row for row in own if row.scenario.disturbance is not Disturbance.STEP]
    worst = max(own, key=lambda row: row.outcome.stopped.value)
    held = worst.outcome.stopped.value <= 0.015
    return Target(f"false rollbacks <= 1.5 % under each disturbance ({judge})", held, _worst(worst))


def _attributed(rows: tuple[Row, ...]) -> tuple[Target, Target]:
    """Clusters hit the canary alone: single minutes of it break the plan's limits, whoever is to blame."""
    shared = tuple(row for row in rows if row.scenario.disturbance is not Disturbance.CLUSTERS)
    found = _disturbed(tuple(row for row in rows if row not in shared), cells.ATTRIBUTED)
    what = f"clusters that break the plan's limits: taken back as the plan says ({cells.ATTRIBUTED})"
    return _disturbed(shared, cells.ATTRIBUTED), replace(found, what=what, asked=False)


def _stepped(rows: tuple[Row, ...], judge: str) -> Target:
    own = [row for row in rows if row.outcome.judge == judge]
    own = [row for row in own if row.scenario.disturbance is Disturbance.STEP]
    worst = max(own, key=lambda row: row.outcome.stopped.value)
    held = worst.outcome.stopped.value <= 0.05
    return Target(f"<= 5 % when both arms step tenfold at deploy ({judge})", held, _worst(worst))


def _slower(rows: tuple[Row, ...], judge: str) -> Target:
    own = [row for row in rows if row.outcome.judge == judge and row.scenario.regression.name == "slower-2"]
    held = all(row.outcome.median <= LATENCY[row.scenario.traffic] for row in own)
    said = "/".join(minutes(row.outcome.median) for row in own)
    return Target(f"latency x2 within 16/4/2/2/2 minutes ({judge})", held, said)


def _harmless(rows: tuple[Row, ...], judge: str) -> Target:
    own = [
        row for row in rows if row.outcome.judge == judge and row.scenario.regression.name == "slower-1.05"
    ]
    if judge != cells.LATENCY:
        worst = max(own, key=lambda row: row.outcome.stopped.value)
        held = worst.outcome.stopped.value <= 0.01
        return Target(f"5 % slower: no more than false rollbacks of errors ({judge})", held, _worst(worst))
    bad, total = (sum(getattr(row.outcome.stopped, part) for row in own) for part in ("bad", "total"))
    # Evidence of any kind takes a harmless canary back in alpha of releases at most, never in none.
    what = f"a harmless 5 % slower canary: 0.0 % ({judge})"
    return Target(what, bad / total < 0.0005, f"{bad} of {total:,}")


def _costs(cost: Cost) -> tuple[Target, ...]:
    return (
        Target(
            "one update of a stream <= 0.2 ms (errors)",
            cost.update_errors <= 0.2,
            f"{cost.update_errors:.3f} ms",
        ),
        Target(
            "one update of a stream <= 0.2 ms (latency)",
            cost.update_latency <= 0.2,
            f"{cost.update_latency:.3f} ms",
        ),
        Target("state of a stream < 4 kB", cost.stream_bytes < 4000, f"{cost.stream_bytes:,} bytes"),
        Target(
            "500 rollouts judged each minute < 5 % of a core",
            cost.core_share < 0.05,
            f"{cost.core_share:.1%}: add {cost.add:.2f} ms, verdict {cost.verdict:.2f} ms",
        ),
    )


def _worst(row: Row) -> str:
    share, scenario = row.outcome.stopped, row.scenario
    low, high = share.interval
    disturbed = f", {scenario.disturbance}" if scenario.disturbance is not Disturbance.NONE else ""
    return (
        f"worst {share.value:.2%} ({low:.2%} to {high:.2%}) at {scenario.traffic:g}/s, "
        f"base {scenario.errors * 100:g} %{disturbed}"
    )


def minutes(value: float) -> str:
    """A delay as people read it; "-" when most rollouts ended first."""
    return "-" if value == inf else f"{value:g}"
