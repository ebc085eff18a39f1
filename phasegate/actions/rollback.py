"""Take a release back: restore, verify, watch recovery, close."""

from dataclasses import replace
from datetime import timedelta

from phasegate.actions.collecting import collect, probe_service
from phasegate.actions.outside import Outside
from phasegate.actions.telling import tell
from phasegate.actions.traffic import Change, shift
from phasegate.domain.criteria import Level
from phasegate.domain.errors import CannotRestore, MetricsAway, SecretsChanged, TargetAway, Unconfirmed
from phasegate.domain.events import (
    Ended,
    Event,
    KnownGood,
    Noted,
    Outcome,
    Recovered,
    RestoreRefused,
    Verified,
)
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Minute
from phasegate.domain.plan import Environment, OverSecrets
from phasegate.domain.recovery import Recovery, recovery
from phasegate.domain.versions import Split

AGAIN = timedelta(minutes=1)
LOOKS = 20


async def restore(
    outside: Outside, release: str, *, again: bool = False, over: str = "", force: str = ""
) -> ReleaseState:
    """
    Bring the known-good version that the ledger names to 100 %; *again* also after it was back once.

    *over* is the foreign deployment that may be replaced, *force* who said, and why, that
    changed secrets are no obstacle. Raises Drift when another foreign split without the
    candidate is in force, SecretsChanged and CannotRestore when the platform refuses,
    TargetAway when it does not answer.
    """
    state = await outside.journal.state(release)
    if state.restored_at is not None and not state.exposed and not (again or over):
        return state
    if state.plan.rollback_over_changed_secrets is OverSecrets.FORCE:
        force = force or "the plan: rollback_over_changed_secrets is force"
    state = await _take_back(outside, state, over=over, force=force)
    if state.canary is not None and state.breached_at is not None:
        await _tell_restored(outside, state)
    return state


async def _take_back(outside: Outside, state: ReleaseState, *, over: str, force: str) -> ReleaseState:
    change = Change(
        Split.whole(state.known_good.id), f"take back: {state.why_abort}"[:800], raising="", over=over
    )
    if state.refusal is not None and not force and _refused_lately(outside, state):
        raise _refused(state.refusal)
    try:
        return await shift(outside, state.release, change)
    except CannotRestore as refusal:
        state = await _note_refusal(outside, state, refusal)
        if not (force and isinstance(refusal, SecretsChanged)):
            raise _refused(state.refusal) from None
    text = f"forced although secrets changed since {state.known_good.label} was live, allowed by {force}"
    await outside.journal.record(state.release, lambda s: Noted(text=text))
    return await shift(outside, state.release, replace(change, force=True))


def _refused_lately(outside: Outside, state: ReleaseState) -> bool:
    """A refusal that only a person can resolve is not asked for again at every tick."""
    return state.refused_at is not None and outside.clock.now() - state.refused_at < AGAIN


def _refused(event: RestoreRefused | None) -> CannotRestore:
    kind = SecretsChanged if event and event.secrets else CannotRestore
    return kind(event.why if event else "the platform refuses the known-good version")


async def _note_refusal(outside: Outside, state: ReleaseState, refusal: CannotRestore) -> ReleaseState:
    secrets = isinstance(refusal, SecretsChanged)
    weight = state.live.split.weight(state.canary.id) if state.canary else 0
    todo = (
        "It was not forced, because it would run with the secrets of now. Next: undo the change of secrets, "
        f"or phasegate abort {state.release} --over-changed-secrets"
        if secrets
        else "Next: deploy a version that works by hand, then phasegate drift accept"
    )
    served = f"The candidate still takes {weight:g} %"
    why = f"{state.known_good.label} cannot be brought back: {refusal}. {served}. {todo}"
    event = RestoreRefused(version=state.known_good.id, why=why, secrets=secrets)
    return await outside.journal.record(state.release, lambda s: event)


async def _tell_restored(outside: Outside, state: ReleaseState) -> None:
    label = state.canary.label if state.canary else "the candidate"
    text = (
        f"{label} was taken back: {state.why_abort}. "
        f"{state.known_good.label} serves 100 % of {state.service} again. "
        "Next: recovery is watched; look at the report, fix, and start a new release."
        + _database_words(state)
    )
    await tell(
        outside,
        state.release,
        level=Level.CRITICAL,
        subject=f"{state.release} rolled back",
        text=text,
        once="restored",
        also=state.plan.communication.rollback if state.plan.communication else (),
    )


def _database_words(state: ReleaseState) -> str:
    """A rollback of traffic leaves the data: whether the old version still fits it, a person decides."""
    changed = [(where, known) for where, known in state.databases.items() if known.changed]
    if not changed:
        return ""
    said = " and ".join(f"the {where} database ({', '.join(known.names)})" for where, known in changed)
    return (
        f" The release migrated {said}; that was left as it is, because only a person may take data "
        f"back: phasegate d1 status {state.release}, then d1 rollback or d1 restore."
    )


async def verify(outside: Outside, release: str) -> ReleaseState:
    """Ask the front door for health and version, as a user reaches it, and note what it said."""
    state = await outside.journal.state(release)
    if state.verified is not None and state.verified.ok:
        return state
    probe = await probe_service(outside, state, environment=Environment.PRODUCTION)
    right = _by_known_good(state, probe.served_by)
    detail = "; ".join(probe.faults) or f"healthy in {probe.elapsed.total_seconds() * 1000:.0f} ms"
    if not right:
        detail += f"; answered by {probe.served_by}, expected {state.known_good.label}"
    event = Verified(ok=probe.ok and right, version=probe.served_by, detail=detail)
    known = (event.ok, event.version)
    return await outside.journal.record(
        release, lambda s: None if s.verified and (s.verified.ok, s.verified.version) == known else event
    )


def _by_known_good(state: ReleaseState, said: str) -> bool:
    """One without a tag may call itself in its health body what it likes, only not the candidate."""
    if not said or state.known_good.named(said):
        return True
    return not state.known_good.tag and not (state.canary and state.canary.named(said))


async def watch_recovery(outside: Outside, release: str) -> Recovery:
    """One look at the known-good version: recovered, not recovered, or to be watched on."""
    state = await outside.journal.state(release)
    if state.restored_at is None:
        raise Unconfirmed(
            f"{release}: the known-good version is not back yet; restore it before watching recovery"
        )
    minutes = await _newest(outside, state)
    probe = await probe_service(outside, state, environment=Environment.PRODUCTION)
    return recovery(
        state.plan,
        state.known_good,
        minutes=minutes,
        probe=probe,
        restored_at=state.restored_at,
        now=outside.clock.now(),
    )


async def _newest(outside: Outside, state: ReleaseState) -> tuple[Minute, ...]:
    try:
        await collect(outside, state)
    except MetricsAway:
        return ()
    return await outside.journal.ledger.minutes(state.release, state.service, after=state.restored_at)


async def note_recovery(outside: Outside, release: str, seen: Recovery) -> ReleaseState:
    """Write down how the recovery went, once."""
    event = Recovered(recovered=bool(seen.recovered), detail=seen.detail)
    return await outside.journal.record(release, lambda s: None if s.recovered else event)


async def close(outside: Outside, release: str, *, outcome: Outcome, summary: str) -> ReleaseState:
    """
    End the release; a promoted candidate becomes known good in the event before.

    One that was not promoted says in its summary what it left in a database.
    """
    if outcome is Outcome.ROLLED_BACK:
        await _still_back(outside, release)
    if outcome is Outcome.PROMOTED:
        await outside.journal.record(release, _promoted)

    def end(state: ReleaseState) -> Event | None:
        if state.ended is not None or (outcome is Outcome.PROMOTED and state.aborting):
            return None
        left = "" if outcome is Outcome.PROMOTED else _database_words(state)
        return Ended(outcome=outcome, summary=summary + left)

    return await outside.journal.record(release, end)


async def _still_back(outside: Outside, release: str) -> None:
    """A late write, or a person, may have given the candidate traffic again while recovery was watched."""
    state = await outside.journal.state(release)
    for _ in range(LOOKS):
        try:
            live = await outside.target.live(state.service)
            break
        except TargetAway:
            await outside.clock.sleep(state.plan.tick)
    else:
        live = await outside.target.live(state.service)
    if state.ended is None and state.canary and live and live.split.weight(state.canary.id) > 0:
        await restore(outside, release, again=True)


def _promoted(state: ReleaseState) -> Event | None:
    done = state.canary is None or state.known_good == state.canary
    return None if done or state.aborting or state.canary is None else KnownGood(version=state.canary)
