"""What the commands of ``phasegate ledger`` do: they only read, and never create a ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click
from pydantic import ValidationError

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.cli_errors import complain
from phasegate.domain.errors import LedgerBroken, LedgerBusy, Refused, SettingsError
from phasegate.domain.events import Ended, Recorded
from phasegate.domain.ledger import ReleaseState, first_break, replay
from phasegate.domain.listing import Row
from phasegate.report.ledger_text import columns, ending, header, line, listing, status, tags_in, tags_of

_PAUSE = 1.0  # seconds between two looks for new events
_BUSY_LOOKS = 10


@asynccontextmanager
async def reading(database: str) -> AsyncIterator[SqlLedger]:
    """The ledger at *database*, which must be there; raises SettingsError when it is not."""
    ledger = SqlLedger(database)
    try:
        if not await ledger.present():
            raise SettingsError(
                f"there is no ledger at {ledger.name}; name it with --ledger or PHASEGATE_LEDGER"
            )
        yield ledger
    finally:
        await ledger.close()


async def show(database: str, release: str, *, as_json: bool, follow: bool) -> None:
    """Print header and events, and with *follow* what is added until the release has ended."""
    async with reading(database) as ledger:
        rows = await rows_of(ledger, release)
        if as_json:
            _print_json(rows)
        else:
            _print_all(rows)
        if follow:
            await _follow(ledger, rows, as_json=as_json)


def _print_json(rows: tuple[Recorded, ...]) -> None:
    for row in rows:
        click.echo(row.model_dump_json())


def _print_all(rows: tuple[Recorded, ...]) -> None:
    if broken := first_break(rows):
        complain(LedgerBroken(f"the chain of {rows[0].release!r} is broken: {broken}"))
    if state := _state(rows):
        click.echo("\n".join((*header(state), "", columns())))
    _print_lines(rows, opened=rows[0], tags=tags_of(state) if state else tags_in(rows))


def _print_lines(rows: tuple[Recorded, ...], *, opened: Recorded, tags: dict[str, str]) -> None:
    for row in rows:
        click.echo(line(row, opened_at=opened.at, tags=tags))


def _state(rows: tuple[Recorded, ...]) -> ReleaseState | None:
    """The state, or None when rows are missing and nothing can be replayed."""
    try:
        return replay(rows)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        complain(LedgerBroken(f"the recorded plan cannot be read by this phasegate: {where}: {first['msg']}"))
    except (ValueError, KeyError) as error:
        complain(LedgerBroken(f"the events cannot be replayed: {error}"))
    return None


async def _follow(ledger: SqlLedger, rows: tuple[Recorded, ...], *, as_json: bool) -> None:
    opened = rows[0]
    while not any(isinstance(row.event, Ended) for row in rows):
        await asyncio.sleep(_PAUSE)
        new = await _newer(ledger, rows[-1])
        rows = (*rows, *new)
        if as_json:
            _print_json(new)
        else:
            _print_lines(new, opened=opened, tags=tags_in(rows))


async def _newer(ledger: SqlLedger, last: Recorded) -> tuple[Recorded, ...]:
    for _ in range(_BUSY_LOOKS):
        try:
            return await ledger.events(last.release, after=last.seq)
        except LedgerBusy as error:
            complain(error)
            await asyncio.sleep(_PAUSE)
    raise LedgerBusy(
        f"the ledger {ledger.name} did not answer {_BUSY_LOOKS} times in a row; follow it again later"
    )


async def export(database: str, release: str) -> None:
    """Print the rows of one release as JSON lines."""
    async with reading(database) as ledger:
        _print_json(await rows_of(ledger, release))


async def list_releases(database: str) -> None:
    """Print every release, newest first."""
    async with reading(database) as ledger:
        rows = await ledger.releases()
        if not rows:
            click.echo(f"no releases in {ledger.name}")
            return
        outcomes = {release: ending(row) for release, row in (await ledger.endings()).items()}
        active = {row.release: await _standing(ledger, row) for row in rows if row.active}
        click.echo("\n".join(listing(rows, {**outcomes, **active})))


async def _standing(ledger: SqlLedger, row: Row) -> str:
    state = _state(await ledger.events(row.release))
    return f"{state.phase or 'before the first phase'}: {status(state)}" if state else "cannot be replayed"


async def verify(database: str, release: str) -> bool:
    """Check the chain of one release, or of all; prints one line each. False when one is broken."""
    async with reading(database) as ledger:
        known = await ledger.releases()
        chosen = [row for row in known if release in {"", row.release}]
        if release and not chosen:
            raise Refused(await ledger.unknown(release))
        sound = [await _verify_one(ledger, row) for row in chosen]
    if not sound:
        click.echo("no releases, nothing to verify")
    return all(sound)


async def _verify_one(ledger: SqlLedger, row: Row) -> bool:
    try:
        rows = await ledger.events(row.release)
    except LedgerBroken as error:
        click.echo(f"{row.release}: BROKEN: {error}")
        return False
    if broken := first_break(rows) or _disagreement(row, rows):
        click.echo(f"{row.release}: {len(rows)} events, BROKEN: {broken}")
        return False
    click.echo(f"{row.release}: {len(rows)} events, the chain holds (head {rows[-1].hash})")
    return True


def _disagreement(row: Row, rows: tuple[Recorded, ...]) -> str:
    if not rows:
        return "it has no events, not even 'opened'"
    ended = any(isinstance(record.event, Ended) for record in rows)
    if ended == row.active:
        return f"the list of releases says {'active' if row.active else 'over'}, the events say otherwise"
    return ""


async def rows_of(ledger: SqlLedger, release: str) -> tuple[Recorded, ...]:
    """The events of one release; raises Refused naming the nearest releases when there is none."""
    rows = await ledger.events(release)
    if not rows:
        raise Refused(await ledger.unknown(release))
    return rows
