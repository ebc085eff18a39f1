"""Follow a started release in the ledger until it has an exit code, for a terminal or a CI log."""

import asyncio
from datetime import UTC, datetime, timedelta

import click

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import LedgerBusy, RunsAway
from phasegate.domain.events import Ended, Expired, Outcome, Recorded
from phasegate.domain.ledger import replay
from phasegate.ports import Ledger, RunStatus
from phasegate.report.events_text import describe
from phasegate.settings import Settings
from phasegate.wiring import named_ledger, open_ledger

PROMOTED, FAILED, BAD_INPUT, ROLLED_BACK, WAITING = 0, 1, 2, 3, 4
LOOK = 1.0
# Looks between two questions to Prefect while the ledger knows nothing of the release.
ASKS_EVERY = 5
# Looks after which it is worth saying that the ledger may be another one than the worker's.
LONG = 60
QUIET = {"delivered", "intended", "driven"}
ENDED = (RunStatus.LOST, RunStatus.CANCELLED, RunStatus.DONE)
# The names that the release flow gives its last state; every other one is Prefect's own.
CODES = {"Promoted": PROMOTED, "Refused": BAD_INPUT, "RolledBack": ROLLED_BACK}


async def follow(settings: Settings, runs: PrefectRuns, *, name: str, run: str, limit: timedelta) -> int:
    """
    Print every event of the release *name* until it ends, or *limit* is over; returns the exit code.

    A ledger that does not answer is asked again. Where it does not know the release, the *run* is asked.
    """
    ledger = await open_ledger(settings)
    following = Following(ledger, runs, name=name, run=run, kept_in=named_ledger(settings).name)
    try:
        return await following.to_its_end(datetime.now(UTC) + limit)
    finally:
        await ledger.close()


class Following:
    """One release, and what was printed of it; *kept_in* names the ledger for people."""

    def __init__(self, ledger: Ledger, runs: PrefectRuns, *, name: str, run: str, kept_in: str) -> None:
        self._ledger = ledger
        self._runs = runs
        self._name = name
        self._run = run
        self._kept_in = kept_in
        self._rows: list[Recorded] = []
        self._silent = False

    async def to_its_end(self, deadline: datetime) -> int:
        """Look until the release has ended or *deadline* is past; the exit code."""
        looked = 0
        while datetime.now(UTC) < deadline:
            await self._look()
            if any(isinstance(row.event, Ended) for row in self._rows):
                return _exit_code(self._rows)
            looked += 1
            if not self._rows and not self._silent and looked % ASKS_EVERY == 0:
                if (code := await self._of_run()) is not None:
                    return code
                if looked == LONG:
                    _complain(f"nothing is known of {self._name} yet; {self._same_ledger()}")
            await asyncio.sleep(LOOK)
        return self._out_of_time()

    async def _look(self) -> None:
        try:
            new = await self._ledger.events(self._name, after=len(self._rows))
        except LedgerBusy as busy:
            if not self._silent:
                _complain(f"{busy}; the release goes on, and the ledger is asked again")
            self._silent = True
            return
        self._silent = False
        self._rows += new
        for row in new:
            if row.event.kind not in QUIET:
                click.echo(f"{row.at:%H:%M:%S} {describe(row.event)}")

    async def _of_run(self) -> int | None:
        """What a run that ended before the ledger knew its release ended as; None while it has not."""
        try:
            if await self._runs.status(self._run) not in ENDED:
                return None
            words = await self._runs.message(self._run)
        except RunsAway as away:
            _complain(str(away))
            return None
        code = CODES.get(words.partition(":")[0], FAILED)
        begun = code in {PROMOTED, ROLLED_BACK}
        _complain(f"{words}{'; ' + self._same_ledger() if begun else ''}")
        return code

    def _same_ledger(self) -> str:
        return (
            f"is {self._kept_in} the ledger of the workers? PHASEGATE_LEDGER must say the same here and there"
        )

    def _out_of_time(self) -> int:
        question = replay(self._rows).question if self._rows else None
        waits = f"; it waits for {' and '.join(question.roles)}" if question else ""
        _complain(
            f"{self._name} has not ended within --wait-limit{waits}. It goes on; `phasegate ledger show "
            f"{self._name} --follow` goes on looking"
        )
        return WAITING


def _exit_code(rows: list[Recorded]) -> int:
    ended = replay(rows).ended
    if ended and ended.outcome is Outcome.PROMOTED:
        return PROMOTED
    if ended and ended.outcome is Outcome.ABANDONED:
        return FAILED
    return WAITING if any(isinstance(row.event, Expired) for row in rows) else ROLLED_BACK


def _complain(text: str) -> None:
    click.echo(f"phasegate: {text}", err=True)
