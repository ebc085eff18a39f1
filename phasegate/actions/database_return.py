"""
Take a database back after a release: by the project's down-SQL, or to an earlier time.

Traffic goes to the old version first. Going back in time overwrites what was written since, so it
needs a named person's word, and the loss, if there may be one, accepted in words.
"""

from collections.abc import Sequence

from phasegate.actions.outside import Outside
from phasegate.actions.returnable import nothing_later, returnable
from phasegate.actions.telling import tell
from phasegate.domain import migrations
from phasegate.domain.approval import same_person
from phasegate.domain.criteria import Level
from phasegate.domain.database import DatabaseReturned, DatabaseState, ReturnIntended, ReturnOrder, Way
from phasegate.domain.errors import Refused
from phasegate.domain.events import Event
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.migrations import Migration


async def return_database(
    outside: Outside, release: str, order: ReturnOrder, *, files: Sequence[Migration]
) -> ReleaseState:
    """
    Do what *order* says, verify the schema, note it and tell people; *files* are the project's migrations.

    Down-SQL takes the release's migrations back, the newest first, and leaves other data. Restoring
    goes to the bookmark from before the release's first migration, undoing to the one from before a return.
    Raises Refused where `returnable` does; for migrations without their planned down-SQL; for a
    person who may not approve; when somebody wrote since unless the order accepts that in the words of
    `loss_words`. Interrupted and called again it goes on: which migrations are applied says how far it came.
    """
    state, known = await returnable(outside, release, environment=order.environment, way=order.way)
    if order.way is Way.DOWN:
        return await _run_down(outside, state, known, order, files=files)
    _may_approve(state, order.by, order.role)
    return await _travel(outside, state, known, order)


async def _run_down(
    outside: Outside,
    state: ReleaseState,
    known: DatabaseState,
    order: ReturnOrder,
    *,
    files: Sequence[Migration],
) -> ReleaseState:
    downs = _downs(known, files)
    applied = await outside.database.applied(known.database)
    nothing_later(known, applied)
    began = _begun(known, applied)
    start = began.bookmark if began else await outside.database.bookmark(known.database)
    intent = _intent(order, start)
    await outside.journal.record(state.release, lambda s: intent)
    for migration in downs:
        await outside.database.take_back(known.database, migration)
    return await _done(outside, state, known, intent, previous=start, resumed=began is not None)


def _begun(known: DatabaseState, applied: Sequence[str]) -> ReturnIntended | None:
    """The down-SQL that was interrupted on its way; one that took nothing back yet begins anew."""
    interrupted = known.intended
    if interrupted is None or interrupted.way is not Way.DOWN or set(known.names) <= set(applied):
        return None
    return interrupted


def loss_words(known: DatabaseState) -> str:
    """The words with which a person accepts that what was written since one point in time is lost."""
    return f"lose everything written to {known.database} since bookmark {_left(known)}"


def _intent(order: ReturnOrder, bookmark: str, *, to: str = "") -> ReturnIntended:
    return ReturnIntended(bookmark=bookmark, to=to, **order.model_dump())


async def _travel(
    outside: Outside, state: ReleaseState, known: DatabaseState, order: ReturnOrder
) -> ReleaseState:
    applied = await outside.database.applied(known.database)
    if _arrived(known, order.way, applied):
        return await _found_done(outside, state, known, order)
    nothing_later(known, applied)
    intent = _intent(
        order, await outside.database.bookmark(known.database), to=_destination(known, order.way)
    )
    accepted = order.accepted == loss_words(known)
    if intent.bookmark != _left(known) and not accepted:
        raise Refused(await _loss(outside, known, intent))
    await outside.journal.record(state.release, lambda s: intent)
    # Where a loss is accepted, users may go on writing; else nobody may have since it was read.
    was = None if accepted else intent.bookmark
    previous = await outside.database.restore(known.database, to=intent.to, was=was)
    return await _done(outside, state, known, intent, previous=previous)


def _destination(known: DatabaseState, way: Way) -> str:
    if way is Way.UNDO and known.returned is not None:
        return known.returned.previous
    if known.before is None:
        raise Refused(f"the ledger has no bookmark of {known.database} from before its migrations")
    return known.before.bookmark


def _left(known: DatabaseState) -> str:
    """The bookmark at which the ledger last saw the database; that from before, if migrating did not end."""
    seen = known.returned or known.after or known.before
    return seen.bookmark if seen else ""


def _arrived(known: DatabaseState, way: Way, applied: Sequence[str]) -> bool:
    """Whether the database is where *way* leads: its list of migrations goes back and forth with its data."""
    back = known.returned is not None and known.returned.way is not Way.UNDO
    wanted = way is Way.UNDO and back
    return any(name in applied for name in known.names) is wanted


async def _found_done(
    outside: Outside, state: ReleaseState, known: DatabaseState, order: ReturnOrder
) -> ReleaseState:
    """An interrupted return took effect; without one there is nothing to do."""
    interrupted = known.intended
    if interrupted is None or interrupted.way is not order.way:
        raise Refused(
            f"database {known.database} is there already: of {', '.join(known.names)} it has "
            f"{'some or all' if order.way is Way.UNDO else 'none'}; an interrupted return is ended by "
            "ordering it again"
        )
    return await _done(outside, state, known, interrupted, previous=interrupted.bookmark, resumed=True)


async def _loss(outside: Outside, known: DatabaseState, intent: ReturnIntended) -> str:
    rows = await outside.database.rows(known.database)
    counted = ", ".join(f"{table} {count:,}" for table, count in rows.items()) or "no table"
    return (
        f"database {known.database} was written to since the ledger last saw it (bookmark {intent.bookmark}, "
        f"not {_left(known)}). Going to {intent.to} loses what was written "
        f"since; it holds now: {counted} rows. Take the migrations back with their down-SQL instead, or "
        f"accept the loss with exactly these words: {loss_words(known)!r}"
    )


def _may_approve(state: ReleaseState, approver: str, role: str) -> None:
    roles = state.plan.database.roles if state.plan.database else ()
    if role not in roles:
        raise Refused(f"role {role!r} may not put a database back in time; allowed: {', '.join(roles)}")
    if same_person(approver, state.opened.requested_by):
        raise Refused(f"{approver} requested this release and may not approve that; somebody else has to")


def _downs(known: DatabaseState, files: Sequence[Migration]) -> list[Migration]:
    by_name = {migration.name: migration for migration in files}
    without = [each.name for each in known.pending if not each.down_digest]
    if without:
        raise Refused(
            f"{', '.join(without)}: the project had no down-SQL when the release planned it; "
            "allowed: phasegate d1 restore, with a named person's approval"
        )
    wanted = []
    for planned in reversed(known.pending):
        found = by_name.get(planned.name)
        if found is None or migrations.digest(found.down) != planned.down_digest:
            raise Refused(f"{planned.name}: its down-SQL is not the one that the release was planned with")
        wanted.append(found)
    return wanted


async def _as_before(outside: Outside, known: DatabaseState) -> bool:
    tables = migrations.schema_digest(await outside.database.schema(known.database))
    return known.before is not None and tables == known.before.tables


async def _done(
    outside: Outside,
    state: ReleaseState,
    known: DatabaseState,
    intent: ReturnIntended,
    *,
    previous: str,
    resumed: bool = False,
) -> ReleaseState:
    """Verify the schema, note what was done, and tell people."""
    same = await _as_before(outside, known)
    # After an interruption users may have written since it began, which an undoing would lose.
    now = previous if resumed else await outside.database.bookmark(known.database)
    event = DatabaseReturned(
        environment=intent.environment,
        way=intent.way,
        bookmark=now,
        previous=previous,
        as_before=same,
        detail=_detail(intent, previous),
    )

    def once(now: ReleaseState) -> Event | None:
        return event if now.databases[intent.environment].intended else None

    await outside.journal.record(state.release, once)
    wanted = intent.way is not Way.UNDO
    schema = "the schema is the one from before the release" if same else "the schema is NOT that from before"
    return await tell(
        outside,
        state.release,
        level=Level.INFO if same is wanted else Level.CRITICAL,
        subject=f"{state.release}: the {intent.environment} database was taken back ({intent.way})",
        text=f"By {intent.by}: {intent.reason}. {schema}. Undo: phasegate d1 undo {state.release}.",
        once=f"database/{intent.environment}/{event.way}/{event.previous}/{event.bookmark}",
    )


def _detail(intent: ReturnIntended, previous: str) -> str:
    lost = previous != intent.bookmark and intent.way is not Way.DOWN
    return f"writes between reading and restoring were lost; they are at {previous}" if lost else ""
