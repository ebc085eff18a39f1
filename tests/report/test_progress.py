"""The progress of a release as people see it."""

from datetime import timedelta

from ledger_cases import T0, asked

from phasegate.domain import events as e
from phasegate.report.evidence import progress_markdown
from tests.report.test_evidence import a_verdict, first_line, in_canary


def test_progress_shows_each_phase_and_what_is_waited_for():
    """
    The run's page answers "where is it?" without a click.
    """
    state = in_canary(asked(phase="canary", hold=True))

    markdown = progress_markdown(state, T0 + timedelta(minutes=30))

    assert "| Phase 0: Staging deployment | 0 % | ✅ passed |" in markdown
    assert "| 10 % | ▶ now | until 2026-02-17 05:00:00 UTC, 1h30m left |" in markdown
    assert "| 50 % | next | at least 4h |" in markdown
    assert "**Waiting for" in markdown
    assert "silence means reject" in markdown


def test_progress_of_a_release_taken_back_promises_nothing():
    """
    No later phase will come.
    """
    abort = e.AbortAsked(by="grace", reason="users complain")

    markdown = progress_markdown(in_canary(abort), T0)

    assert "grace: users complain" in first_line(markdown)
    assert "❌ taken back" in markdown
    assert markdown.count("not reached") == 2


def test_between_two_phases_nothing_is_said_of_the_next_one_and_the_watch_is_named():
    """
    "Healthy in partial" would be read as a word about 50 %, which nobody has seen yet.
    """
    began = (e.PhaseEnded(phase="canary"), e.PhaseBegan(phase="partial"))
    judged = e.Judged(verdict=a_verdict(), final=False)

    line = first_line(progress_markdown(in_canary(*began, judged), T0))

    assert "is in Phase 2: Partial deployment (50%).** Nothing has been judged there yet." in line
    assert line.endswith("v2 is watched on at 10 %, by the limits of Phase 1: Canary deployment (10%).")
