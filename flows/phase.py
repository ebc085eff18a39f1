"""One body for every phase; the four of the runbook carry their own names in the UI."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
from prefect import flow, get_run_logger
from prefect.exceptions import PrefectHTTPStatusError

from flows.preflight import way_back
from phasegate.actions.advancing import held
from phasegate.domain.errors import Away, CallAPerson, Drift, FixTheInput, Superseded
from phasegate.domain.plan import Environment, Phase
from phasegate.domain.steps import Next, Step
from tasks.deploy import deploy
from tasks.evaluate import evaluate
from tasks.migrate import migrate
from tasks.observe import observe
from tasks.promote import promote, thawed
from tasks.record import begin, guard
from tasks.restore import call_back
from tasks.soak import soak
from tasks.stall import stall
from tasks.validate import load, validate

AGAIN = timedelta(seconds=5)
ORCHESTRATOR_TRIES = 60


@flow(name="phase", flow_run_name="{name} of {release}", validate_parameters=False)
async def phase_flow(release: str, name: str, phase: Phase, unguarded: str) -> Step:
    """
    Do the work of one phase that is due now and say what comes next.

    Called again after each wait; whatever the ledger knows as done is skipped.
    """
    try:
        return await _work(release, name, phase, unguarded)
    except (Away, Superseded) as away:
        return await stall(release, name, because=str(away))
    except Drift as drift:
        get_run_logger().warning("%s", drift)
        return held(now=datetime.now(UTC))
    except (FixTheInput, CallAPerson) as trouble:
        why = await call_back(release, by=f"phase {name}", reason=str(trouble))
        return Step(next=Next.ABORT, because=why)


async def _work(release: str, name: str, phase: Phase, unguarded: str) -> Step:
    if await begin(release, name):
        if phase.environment is Environment.STAGING:
            await _validated(release, name)
        elif (known := await way_back(release, name)).next is not Next.DONE:
            return known
        else:
            await _serving(release, name, unguarded=unguarded)
    return await evaluate(release, name)


async def _validated(release: str, name: str) -> None:
    await migrate(release, name)
    await deploy(release, name)
    await validate(release, name)
    await load(release, name)


async def _serving(release: str, name: str, *, unguarded: str) -> None:
    await deploy(release, name)
    await guard(release, unguarded=unguarded)
    await migrate(release, name)
    if await thawed(release, name):
        await promote(release, name)
        await soak(release, name)
        await observe(release, name)


staging = phase_flow.with_options(name="staging")
canary = phase_flow.with_options(name="canary")
partial = phase_flow.with_options(name="partial")
full = phase_flow.with_options(name="full")
NAMED = {"staging": staging, "canary": canary, "partial": partial, "full": full}


async def run_phase(release: str, phase: Phase, *, unguarded: str) -> Step:
    """
    Call the phase's flow as a subflow; a phase beyond the runbook's four gets the body under its own name.

    Creating a subflow needs the orchestrator's API. When that is away the phase is
    called again: the ledger makes a repeated call harmless.
    """
    named = NAMED.get(phase.name) or phase_flow.with_options(name=phase.name)
    for _ in range(ORCHESTRATOR_TRIES):
        try:
            return await named(release, phase.name, phase, unguarded)
        except (httpx.TransportError, PrefectHTTPStatusError) as away:
            get_run_logger().warning(
                "the Prefect API is away (%s); phase %s is called again", away, phase.name
            )
            await asyncio.sleep(AGAIN.total_seconds())
    return await named(release, phase.name, phase, unguarded)
