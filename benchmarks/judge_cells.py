"""What the judge is measured on: every cell of the tables, with the judges that look at it."""

from dataclasses import replace
from pathlib import Path

from phasegate.adapters.plan_yaml import load_plan
from phasegate.simulation.backtest import Cell
from phasegate.simulation.baselines import MannWhitney, all_baselines
from phasegate.simulation.judging import BacktestJudge
from phasegate.simulation.phasegate_judge import (
    ErrorEvidence,
    LatencyEvidence,
    Phasegate,
    Terms,
    terms_of,
)
from phasegate.simulation.scenario import REGRESSIONS, Disturbance, Scenario

TRAFFIC = (0.2, 1, 10, 100, 1000)
BASE = 0.0005
RATES = (0.0001, 0.0005, 0.005)
# The shipped plan takes back what fails at this rate for fifteen minutes.
LOWEST_LIMIT = 0.005
STEPS = ("x2", "x5", "1%", "5%", "50%")
OTHERS = ("0.5%", "2%", "leak", "late", "endpoint")
SLOWER = ("slower-2", "slower-1.5", "slower-1.05", "tail")
DISTURBANCES = tuple(one for one in Disturbance if one is not Disturbance.NONE)
ALONE, COMPARED, WHOLE, ATTRIBUTED = (
    "phasegate, errors alone",
    "phasegate, comparison",
    "phasegate",
    "phasegate, attributed",
)
LATENCY = "phasegate, latency alone"

Groups = dict[str, list[Cell]]


def terms() -> tuple[Terms, tuple[int, ...]]:
    """The terms of the shipped production plan, and the latencies at which it counts."""
    plan = load_plan("production", search=(Path(__file__).parent.parent / "deployments" / "plans",))
    return terms_of(plan), plan.counted


def ours(found: Terms) -> tuple[BacktestJudge, ...]:
    """One stream of errors, the whole comparison, and with the limits, literal and attributed."""
    return (
        ErrorEvidence(found),
        Phasegate(found.comparison, name=COMPARED),
        Phasegate(replace(found, attributed=False), name=WHOLE),
        Phasegate(replace(found, attributed=True), name=ATTRIBUTED),
    )


def groups(scale: float = 1.0) -> Groups:
    """Every cell; *scale* makes the numbers of rollouts smaller."""
    found, cuts = terms()
    judges, others = ours(found), all_baselines()
    # Ranks take ten times as long as all other baselines together: fewer rollouts tell as much.
    quick = tuple(judge for judge in others if not isinstance(judge, MannWhitney))
    few, some, many = (max(20, round(number * scale)) for number in (300, 1000, 2000))
    return {
        "detection": [
            Cell(
                Scenario(rate, BASE, REGRESSIONS[name]), some if name in ("x2", "x5") else few, judges + quick
            )
            for rate in TRAFFIC
            for name in STEPS
        ],
        "ranks": [
            Cell(Scenario(rate, BASE, REGRESSIONS[name]), few, (MannWhitney(),))
            for rate in TRAFFIC
            for name in ("A/A", *STEPS)
        ]
        + [Cell(Scenario(10, BASE, disturbance=one), few, (MannWhitney(),)) for one in DISTURBANCES],
        "false": [Cell(Scenario(rate, base), many, judges + quick) for base in RATES for rate in TRAFFIC],
        "disturbed": [
            Cell(Scenario(rate, BASE, disturbance=one), many, judges + quick)
            for one in DISTURBANCES
            for rate in TRAFFIC
        ],
        "others": [
            Cell(Scenario(rate, BASE, REGRESSIONS[name]), few, judges[1:3] + quick)
            for name in OTHERS
            for rate in TRAFFIC
        ],
        "latency": [
            Cell(
                Scenario(rate, BASE, REGRESSIONS[name], cuts=cuts),
                some if name == "slower-1.05" else few,
                (LatencyEvidence(found), *judges[1:3]),
            )
            for name in SLOWER
            for rate in TRAFFIC
        ],
    }
