"""Prove the machine's part of a staging phase: health, the validation program, the load test."""

from phasegate.actions.staging import load_staging, validate_staging
from phasegate.domain.checklist import Outcome
from phasegate.wiring import shared
from tasks.step import step


@step(name="validate-{phase}")
async def validate(release: str, phase: str) -> int:
    """Run every machine check of the phase once; returns how many failed."""
    outside = await shared()
    state = await outside.journal.state(release)
    state = await validate_staging(outside, release, state.plan.phase(phase))
    return sum(result.outcome is Outcome.FAILED for result in state.checks.get(phase, ()))


@step(name="load-{phase}")
async def load(release: str, phase: str) -> bool:
    """Run the phase's load test once; True when its report is conclusive, or none is asked for."""
    outside = await shared()
    state = await outside.journal.state(release)
    state = await load_staging(outside, release, state.plan.phase(phase))
    return bool(state.loads.get(phase, {}).get("conclusive", True))
