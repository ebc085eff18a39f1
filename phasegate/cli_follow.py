"""Start a release over the orchestrator's API and follow it in the ledger, for a terminal or a CI log."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import click

from phasegate.actions.aborting import abort
from phasegate.actions.drift import accept, bring_back
from phasegate.actions.gates import would_count
from phasegate.actions.opening import find_candidate
from phasegate.actions.preflight import look_back
from phasegate.actions.traffic import words
from phasegate.actions.turns import read_turn
from phasegate.cli_wait import PROMOTED, ROLLED_BACK, WAITING, follow
from phasegate.domain.errors import FixTheInput, PhasegateError, Refused, RunsAway
from phasegate.domain.freeze import frozen
from phasegate.domain.ledger import ReleaseState, replay
from phasegate.domain.plan import RolloutPlan
from phasegate.domain.quantities import format_duration, parse_duration
from phasegate.ports import Ledger
from phasegate.settings import Settings
from phasegate.wiring import (
    build_runs,
    known_plans,
    named_ledger,
    open_ledger,
    outside,
    read_bundle,
    read_plan,
    settle_bundle,
)

ASKS_WITHIN = 30  # seconds, a look each
NONE = timedelta(0)


async def start_and_follow(asked: dict[str, str], *, wait: bool, wait_limit: str, key: str) -> int:
    """
    Check the input, start the run, print where it is to be seen, and follow it if asked to.

    An empty *wait_limit* is as long as the plan may take. Returns the exit code. Raises FixTheInput
    before anything was started.
    """
    settings = Settings()
    check_input(settings, asked)
    limit = _limit(wait_limit, read_plan(settings, asked["plan"]), asked.get("queue", "")) if wait else NONE
    if not key:
        # With a key, the active release may be this very one, started before.
        await _refuse_taken(settings, asked)
    asked = {**asked, "bundle": await _settled(settings, asked["bundle"])}
    runs = build_runs(settings)
    try:
        run = await runs.start(dict(asked), idempotency_key=key or uuid.uuid4().hex)
        name = f"{asked['service']}-{run[:8]}"
        click.echo(f"release {name} started: {runs.run_url(run)}")
        return await follow(settings, runs, name=name, run=run, limit=limit) if wait else PROMOTED
    finally:
        await runs.aclose()


async def _refuse_taken(settings: Settings, asked: dict[str, str]) -> None:
    """Raise Refused while another release has the service; a ledger out of reach is left to the run."""
    if asked.get("supersede") or asked.get("queue"):
        return
    ledger = named_ledger(settings)
    try:
        if not await ledger.present():
            return
        active = await ledger.releases(active=True, service=asked["service"])
    except (PhasegateError, OSError):
        return
    finally:
        await ledger.close()
    if active:
        raise Refused(
            f"nothing was started: {asked['service']!r} is being released by {active[0].release!r}; "
            f"wait until that has ended, or take it back with `phasegate abort {active[0].release}`; "
            "--queue waits, --supersede takes back and waits"
        )


async def _settled(settings: Settings, bundle: str) -> str:
    """A bundle that can be read; a project is built here, once, so that the run takes up these very bytes."""
    if not bundle:
        return bundle
    settled = await settle_bundle(settings, bundle)
    read_bundle(settings, settled)
    if settled != bundle:
        click.echo(f"built {bundle}: {settled}")
    return settled


def _limit(text: str, plan: RolloutPlan, queue: str) -> timedelta:
    if not text:
        return plan.longest + (parse_duration(queue) if queue else NONE)
    try:
        limit = parse_duration(text)
    except ValueError as error:
        raise FixTheInput(f"--wait-limit: {error}") from None
    if limit < plan.shortest:
        click.echo(
            f"phasegate: a release by {plan.name!r} takes at least {format_duration(plan.shortest)}; after "
            f"--wait-limit {text} this command ends with {WAITING}, and the release goes on",
            err=True,
        )
    return limit


def check_input(settings: Settings, asked: dict[str, str]) -> None:
    """Refuse what the release would refuse, before a run exists. Raises FixTheInput."""
    if bool(asked["bundle"]) == bool(asked["version"]):
        raise FixTheInput("give either --bundle or --version, not both and not neither")
    if len(asked["requested_by"].strip()) < 3:
        raise FixTheInput("--requested-by: name the person who asks for the release (at least 3 characters)")
    if len(asked["reason"].strip()) < 3:
        raise FixTheInput("--reason: say in at least 3 characters why this is released")
    read_turn(supersede=asked.get("supersede", ""), queue=asked.get("queue", ""))
    known_plans(settings)
    freeze = frozen(read_plan(settings, asked["plan"]).freezes, datetime.now(UTC))
    if freeze and not asked.get("break_glass"):
        raise Refused(
            f"nothing is released until {freeze[0]:%Y-%m-%d %H:%M %Z}: {freeze[1]}; start it then, "
            "or say in --break-glass why it cannot wait"
        )


async def abort_release(release: str, *, reason: str, by: str, over_changed_secrets: bool) -> None:
    """Call the release off and restore the known-good version at once; the keeper does the rest."""
    async with outside(Settings(), role=f"abort by {by}") as hands:
        state = await abort(hands, release, by=by, reason=reason, over_changed_secrets=over_changed_secrets)
        click.echo(f"{state.known_good.label} serves 100 % of {state.service}; recovery is watched next")
        await _finish(hands.runs, state)


async def settle_drift(release: str, *, by: str, reason: str, restore: bool) -> None:
    """Replace a foreign split, or leave it and end the release; prints what is live then."""
    decide = bring_back if restore else accept
    async with outside(Settings(), role=f"drift by {by}") as hands:
        state = await decide(hands, release, by=by, reason=reason)
        live = await hands.target.live(state.service)
        serves = words(live.split) if live else "nothing"
        ending = state.ended.summary if state.ended else f"{release} goes on"
        click.echo(f"{state.service} serves {serves}. {ending}")


async def examine_service(service: str, *, bundle: str, version: str) -> int:
    """Print every obstacle on the way back to what is live; returns the exit code."""
    settings = Settings()
    candidate = read_bundle(settings, await settle_bundle(settings, bundle)) if bundle else version
    async with outside(settings, role="preflight") as hands:
        if version:
            candidate = (await find_candidate(hands, service, version=version)).version
        good, obstacles = await look_back(hands, service, candidate=candidate)
    for obstacle in obstacles:
        click.echo(f"{obstacle.hurdle}: {obstacle.text}")
    free = not any(obstacle.asks for obstacle in obstacles)
    if free:
        click.echo(f"{good.label} can be brought back to {service} at any time, as far as can be read")
    return PROMOTED if free else ROLLED_BACK


async def _finish(runs: object, state: ReleaseState) -> None:
    try:
        run = await runs.roll_back(state.release, reason=state.why_abort)  # type: ignore[attr-defined]
        click.echo(f"rollback run {run} verifies it")
    except RunsAway as away:
        click.echo(f"phasegate: {away}; the keeper starts the verification later", err=True)


async def _asking(ledger: Ledger, release: str, given: dict[str, str]) -> tuple[str, str]:
    """The run that asks, and the gate. Raises Refused when nothing is asked, or *given* would not count."""
    rows = await ledger.events(release)
    if not rows:
        raise Refused(f"the ledger knows no release {release!r}; `phasegate ledger list` shows all")
    state = replay(rows)
    if state.question is None:
        raise Refused(f"{release} asks nothing now")
    would_count(state, now=datetime.now(UTC), **given)
    return state.run, state.question.gate


async def answer_release(release: str, given: dict[str, str]) -> None:
    """
    Resume the waiting run with an answer. Raises Refused when nothing is asked, or it is refused.

    A run that is about to ask, or takes another role's answer, is waited for.
    """
    settings = Settings()
    ledger, runs = await open_ledger(settings), build_runs(settings)
    try:
        run, gate = await _asking(ledger, release, given)
        for _ in range(ASKS_WITHIN):
            if await runs.input_wanted(run):
                break
            await asyncio.sleep(1)
            run, gate = await _asking(ledger, release, given)
        # Says why not, if it still does not.
        await runs.answer(run, dict(given))
        click.echo(f"answered {gate!r} of {release}: {given['decision']}")
    finally:
        await runs.aclose()
        await ledger.close()
