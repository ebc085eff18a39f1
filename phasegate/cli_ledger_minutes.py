"""What ``phasegate ledger minutes`` does: everything a release was judged by, in one file."""

import asyncio
from pathlib import Path

import click

from phasegate.actions.collecting import staging_name
from phasegate.actions.marking import synthetic_name
from phasegate.actions.remembering import history_name
from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.adapters.minutes_csv import write_csv
from phasegate.adapters.minutes_json import write_json
from phasegate.adapters.minutes_parquet import write_parquet
from phasegate.cli_ledger import FORMATS
from phasegate.cli_ledger_reading import reading, rows_of
from phasegate.domain.errors import Refused, SettingsError
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.plan import Environment
from phasegate.domain.recording import Recording, Watched, record, watched


def export_minutes(database: str, release: str, *, form: str | None, output: Path | None) -> None:
    """Write the recording of *release*; raises Refused when there is nothing to write."""
    chosen = form or (output.suffix.removeprefix(".") if output else "csv")
    if chosen not in FORMATS:
        raise SettingsError(
            f"--output: {output}: unknown ending; allowed: {', '.join(FORMATS)}, or say --format"
        )
    if chosen == "parquet" and output is None:
        raise SettingsError("--format parquet is no text; say where it goes with -o FILE")
    recording = asyncio.run(recorded(database, release))
    if output is None:
        click.echo(_text(recording, chosen), nl=False)
        return
    try:
        _write(recording, chosen, output)
    except OSError as error:
        raise SettingsError(f"--output: {output}: {error.strerror or error}") from None


def _write(recording: Recording, form: str, output: Path) -> None:
    if form == "parquet":
        write_parquet(recording, output)
    else:
        output.write_text(_text(recording, form), encoding="utf-8")


async def recorded(database: str, release: str) -> Recording:
    """The recording of *release* in the ledger at *database*. Raises Refused when nothing was watched."""
    async with reading(database) as ledger:
        rows = await rows_of(ledger, release)
        state = replay(rows)
        found = [one for each in Environment if (one := await _watched(ledger, state, each))]
    if not any(one.soaks for one in found):
        raise Refused(f"{release} was not watched yet: no soak has begun, there is nothing to export")
    return record(rows, found)


async def _watched(ledger: SqlLedger, state: ReleaseState, environment: Environment) -> Watched | None:
    staging = staging_name(state.service)
    in_staging = environment is Environment.STAGING
    worker = staging if in_staging else state.service
    probes = await ledger.probes(state.release)
    return watched(
        state,
        environment,
        worker=worker,
        minutes=await ledger.minutes(state.release, worker),
        # The front door holds the Worker's name, and the staging Worker's name holds the service's.
        probes=tuple(probe for probe in probes if (staging in probe.url) is in_staging),
        history=() if in_staging else await ledger.minutes(state.release, history_name(state.service)),
        synthetic=() if in_staging else await ledger.minutes(state.release, synthetic_name(state.service)),
    )


def _text(recording: Recording, form: str) -> str:
    if form == "json":
        return write_json(recording)
    if recording.production is None:
        raise Refused(f"{recording.release} never reached production; only --format json holds its staging")
    if recording.production.synthetic:
        click.echo("synthetic requests are not of users and left out; --format json has them", err=True)
    return write_csv(recording.production)
