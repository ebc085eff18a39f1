"""Backtests: blocks, processes, recorded releases."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from phasegate.adapters.plan_yaml import load_plan
from phasegate.domain.errors import RecordingError
from phasegate.domain.phase import Environment
from phasegate.domain.recording import RecordedSoak, Watched
from phasegate.simulation import backtest as runs
from phasegate.simulation import minutes
from phasegate.simulation.baselines import FailedChecks
from phasegate.simulation.draw import draw
from phasegate.simulation.phasegate_judge import Phasegate, course_of, terms_of
from phasegate.simulation.recorded import recorded, stopped
from phasegate.simulation.rollouts import Rollouts
from phasegate.simulation.scenario import REGRESSIONS, Course, Scenario

PLAN = load_plan("production", search=(Path(__file__).parents[2] / "deployments" / "plans",))
SHORT = Course(((15, 0.1),))


def test_the_same_rollouts_whoever_draws_them():
    """
    Two processes find what one finds, or a figure would depend on the machine.
    """
    cells = [runs.Cell(Scenario(rate, course=SHORT), 30, (FailedChecks(0.01),)) for rate in (1, 10)]

    alone, together = runs.backtest(cells, workers=0), runs.backtest(cells, workers=2)

    assert alone == together
    assert [row.scenario.traffic for row in alone] == [1, 10]


def test_blocks_are_summed_up(monkeypatch):
    """
    Thousands of rollouts do not fit into memory at once.
    """
    monkeypatch.setattr(runs, "BLOCK", 20)
    told: list[tuple[int, int]] = []
    cell = runs.Cell(Scenario(1, course=SHORT), 50, (FailedChecks(0.01),))

    (row,) = runs.backtest([cell], workers=0, told=lambda done, of: told.append((done, of)))

    assert row.outcome.stopped.total == 50
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_recorded_release_is_the_rollout_that_it_was():
    """
    The judges of a backtest see the same counts whether they were drawn or recorded.
    """
    drawn = draw(Scenario(10, regression=REGRESSIONS["50%"], course=_course()), 1)

    found = recorded(_plan(), _watched(drawn))

    assert np.array_equal(found.canary.total, drawn.canary.total)
    assert np.array_equal(found.control.errors, drawn.control.errors)
    assert found.course.phases == _course().phases
    assert np.array_equal(stopped(_plan(), _watched(drawn)), Phasegate(terms_of(PLAN)).stops(drawn))


def test_a_missing_interval_stays_missing():
    """
    A gap in the record is no traffic, and what comes after it keeps its time.
    """
    drawn = draw(Scenario(10, course=_course()), 1)
    seen = _watched(drawn)
    gap = seen.model_copy(update={"minutes": seen.minutes[:7] + seen.minutes[8:]})

    found = recorded(_plan(), gap)

    assert found.canary.total[0, 7] == 0
    assert np.array_equal(found.canary.total[0, 8:], drawn.canary.total[0, 8:])


def test_a_record_without_a_control_is_refused():
    """
    There is nothing to compare at 100 %.
    """
    drawn = draw(Scenario(10, course=_course()), 1)
    whole = _watched(drawn).model_copy(
        update={"soaks": (RecordedSoak(phase="full", since=minutes.BEGIN, until=minutes.BEGIN),)}
    )

    with pytest.raises(RecordingError, match="no phase in which a control takes traffic"):
        recorded(_plan(), whole)


def _course() -> Course:
    return replace(course_of(PLAN), phases=((30, 0.1), (20, 0.5)))


def _plan():
    telemetry = PLAN.telemetry.model_copy(update={"settle": timedelta(0)})
    return PLAN.model_copy(update={"telemetry": telemetry})


def _watched(drawn: Rollouts) -> Watched:
    step = minutes.BEGIN + 30 * PLAN.interval
    return Watched(
        environment=Environment.PRODUCTION,
        control=minutes.CONTROL,
        canary=minutes.CANARY,
        soaks=(
            RecordedSoak(phase="canary", since=minutes.BEGIN, until=step),
            RecordedSoak(phase="partial", since=step, until=step + 20 * PLAN.interval),
        ),
        minutes=tuple(minutes.rolled_out(drawn, 0)),
        history=tuple(minutes.remembered(drawn, 0)),
    )
