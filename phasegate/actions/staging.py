"""What a machine proves in staging: health, the validation program, the load test."""

from datetime import timedelta

from phasegate.actions.advancing import begin_soak
from phasegate.actions.collecting import probe_service, staging_name
from phasegate.actions.outside import Outside
from phasegate.domain.checklist import Outcome, Result
from phasegate.domain.events import Checked, Event, Loaded
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Probe
from phasegate.domain.plan import Environment, LowTraffic, Phase
from phasegate.domain.versions import Version

HEALTH_TRIES = 10
LOAD_TRIES = 2


async def validate_staging(outside: Outside, release: str, phase: Phase) -> ReleaseState:
    """Ask for health and run the validation program, once; results become the phase's checks."""
    state = await outside.journal.state(release)
    if phase.name in state.checks or state.aborting:
        return state
    results = [await _health(outside, state)]
    if phase.validation is not None and results[0].outcome is Outcome.PASSED:
        url = outside.target.front_door(staging_name(state.service))
        found = await outside.checks.validate(url, phase.validation)
        results += [result for result in found if result.key != "health"]
    event = Checked(phase=phase.name, results=tuple(results))
    return await outside.journal.record(release, lambda s: None if phase.name in s.checks else event)


async def _health(outside: Outside, state: ReleaseState) -> Result:
    """A version may take seconds to be everywhere, so the right one is waited for, within limits."""
    version = state.uploaded[Environment.STAGING]
    for _ in range(HEALTH_TRIES):
        probe = await probe_service(outside, state, environment=Environment.STAGING)
        if probe.ok and (not probe.served_by or version.named(probe.served_by)):
            break
        await outside.clock.sleep(timedelta(milliseconds=500))
    return _result(probe, version)


def _result(probe: Probe, version: Version) -> Result:
    faults = list(probe.faults)
    if probe.served_by and not version.named(probe.served_by):
        faults.append(f"answered by {probe.served_by}, expected {version.label}")
    if faults or not probe.ok:
        return Result(key="health", outcome=Outcome.FAILED, detail="; ".join(faults), at=probe.at)
    millis = probe.elapsed.total_seconds() * 1000
    words = f"{probe.url} answered {probe.status} in {millis:.0f} ms as {probe.served_by}"
    return Result(key="health", outcome=Outcome.PASSED, detail=words, at=probe.at)


async def load_staging(outside: Outside, release: str, phase: Phase) -> ReleaseState:
    """Run the load test, once: its time is staging's soak, its requests are judged like any other."""
    state = await outside.journal.state(release)
    if phase.name in state.soaks or state.aborting:
        return state
    since = outside.clock.now()
    report: dict[str, object] = {"conclusive": True, "reason": "no load test is part of this phase"}
    if phase.load is not None:
        url = outside.target.front_door(staging_name(state.service))
        tries = LOAD_TRIES if phase.low_traffic is LowTraffic.HOLD else 1
        for _ in range(tries):
            report = await outside.checks.load(url, phase.load)
            if report.get("conclusive"):
                break
    event = Loaded(phase=phase.name, report=report)

    def once(now: ReleaseState) -> Event | None:
        return None if phase.name in now.loads else event

    await outside.journal.record(release, once)
    return await begin_soak(outside, release, phase, since=since, until=outside.clock.now())
