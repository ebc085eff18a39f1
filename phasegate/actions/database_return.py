"""
Take a database back after a release: by the project's down-SQL, or to an earlier time.

Traffic goes to the old version first. Going back in time overwrites what was written since, so it
needs a named person's word, and the loss, if there may be one, accepted in words.
"""

from collections.abc import Sequence

from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.domain import migrations
from phasegate.domain.approval import same_person
from phasegate.domain.criteria import Level
from phasegate.domain.database import DatabaseReturned, DatabaseState, ReturnIntended, ReturnOrder, Way
from phasegate.domain.errors import Refused, Unconfirmed
from phasegate.domain.events import Event
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.migrations import Migration
from phasegate.domain.plan import Environment


async def return_database(
    outside: Outside, release: str, order: ReturnOrder, *, files: Sequence[Migration]
) -> ReleaseState:
    """
    Do what *order* says, verify the schema, note it and tell people; *files* are the project's migrations.

    Down-SQL takes the release's migrations back, the newest first, and leaves other data. Restoring
    goes to the bookmark from before the release's first migration, undoing to the one from before a return.
    Raises Refused while the candidate takes traffic; for migrations without their planned down-SQL; for a
    person who may not approve; when somebody wrote since unless the order accepts that in the words of
    `loss_words`. Raises Unconfirmed when an interrupted return cannot be told from somebody's writing.
    """
    if order.way is Way.UNDO:
        state, known = await _returned_before(outside, release, order.environment)
    else:
        state, known = await _returnable(outside, release, order.environment)
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
    intent = _intent(order, await outside.database.bookmark(known.database))
    await outside.journal.record(state.release, lambda s: intent)
    for migration in downs:
        await outside.database.take_back(known.database, migration)
    return await _done(outside, state, known, intent, previous=intent.bookmark)


def loss_words(known: DatabaseState) -> str:
    """The words with which a person accepts that what was written since is lost."""
    return f"lose everything written to {known.database} since its last known bookmark"


def _intent(order: ReturnOrder, bookmark: str, *, to: str = "") -> ReturnIntended:
    return ReturnIntended(bookmark=bookmark, to=to, **order.model_dump())


async def _travel(
    outside: Outside, state: ReleaseState, known: DatabaseState, order: ReturnOrder
) -> ReleaseState:
    to, left = _points(known, order.way)
    intent = _intent(order, await outside.database.bookmark(known.database), to=to)
    if known.intended and known.intended.way is order.way and intent.bookmark != known.intended.bookmark:
        return await _resolved(outside, state, known, known.intended)
    if intent.bookmark != left and order.accepted != loss_words(known):
        raise Refused(await _loss(outside, known, intent, left))
    await outside.journal.record(state.release, lambda s: intent)
    previous = await outside.database.restore(known.database, to=to, was=intent.bookmark)
    return await _done(outside, state, known, intent, previous=previous)


def _points(known: DatabaseState, way: Way) -> tuple[str, str]:
    """The bookmark to go to, and the one at which the ledger last saw the database."""
    if way is Way.UNDO and known.returned is not None:
        return known.returned.previous, known.returned.bookmark
    if known.before is None:
        raise Refused(f"the ledger has no bookmark of {known.database} from before its migrations")
    if known.returned is not None:
        return known.before.bookmark, known.returned.bookmark
    return known.before.bookmark, known.after.bookmark if known.after else ""


async def _resolved(
    outside: Outside, state: ReleaseState, known: DatabaseState, interrupted: ReturnIntended
) -> ReleaseState:
    """
    A return was interrupted and the database has moved on since: it took effect, or somebody wrote.

    The schema tells them apart; where it does not, a person has to look.
    """
    if interrupted.way is Way.RESTORE and await _as_before(outside, known):
        return await _done(outside, state, known, interrupted, previous=interrupted.bookmark)
    raise Unconfirmed(
        f"database {known.database}: '{interrupted.way}' by {interrupted.by} was interrupted, and the "
        f"database has changed since. Whether it took effect cannot be told. Next: look at its data; the "
        f"bookmark from before the attempt is {interrupted.bookmark}"
    )


async def _loss(outside: Outside, known: DatabaseState, intent: ReturnIntended, left: str) -> str:
    rows = await outside.database.rows(known.database)
    counted = ", ".join(f"{table} {count:,}" for table, count in rows.items()) or "no table"
    return (
        f"database {known.database} was written to since the ledger last saw it (bookmark {intent.bookmark}, "
        f"not {left or 'known: the migrations did not end'}). Going to {intent.to} loses what was written "
        f"since; it holds now: {counted} rows. Take the migrations back with their down-SQL instead, or "
        f"accept the loss with exactly these words: {loss_words(known)!r}"
    )


async def _returnable(
    outside: Outside, release: str, environment: Environment
) -> tuple[ReleaseState, DatabaseState]:
    state = await outside.journal.state(release)
    known = state.databases.get(environment)
    if known is None or not known.changed:
        raise Refused(f"{release} has changed no {environment} database that could be taken back")
    if environment is Environment.PRODUCTION and state.canary is not None:
        live = await outside.target.live(state.service)
        weight = live.split.weight(state.canary.id) if live else 0.0
        if weight or not (state.aborting or state.ended):
            raise Refused(
                f"{state.canary.label} takes {weight:g} % of {state.service}; traffic goes to the old "
                f"version first: phasegate abort {release} --reason …"
            )
    return state, known


async def _returned_before(
    outside: Outside, release: str, environment: Environment
) -> tuple[ReleaseState, DatabaseState]:
    state = await outside.journal.state(release)
    known = state.databases.get(environment)
    if known is None or known.returned is None:
        raise Refused(
            f"{release}: its {environment} database was not taken back, so there is nothing to undo"
        )
    return state, known


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
    outside: Outside, state: ReleaseState, known: DatabaseState, intent: ReturnIntended, *, previous: str
) -> ReleaseState:
    """Verify the schema, note what was done, and tell people."""
    same = await _as_before(outside, known)
    event = DatabaseReturned(
        environment=intent.environment,
        way=intent.way,
        bookmark=await outside.database.bookmark(known.database),
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
        once=f"database/{intent.environment}/{event.bookmark}",
    )


def _detail(intent: ReturnIntended, previous: str) -> str:
    lost = previous != intent.bookmark and intent.way is not Way.DOWN
    return f"writes between reading and restoring were lost; they are at {previous}" if lost else ""
