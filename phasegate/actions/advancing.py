"""
What comes next in a phase, from the ledger and a fresh look at production.

Called again and again by the phase flows; each call does what is due now and
returns a step. Killed at any point and called again, it goes on where it was.
"""

from datetime import datetime, timedelta

from phasegate.actions.collecting import (
    Collected,
    Probed,
    collect,
    collect_staging,
    pause,
    probe_candidate,
    probe_staging,
)
from phasegate.actions.drift import refuse_foreign
from phasegate.actions.inquiring import inquire, unasked
from phasegate.actions.judging import EVERYTHING, Judging, News, refuse_incomplete
from phasegate.actions.marking import sends
from phasegate.actions.outside import Outside
from phasegate.actions.sharing import note_share
from phasegate.domain.checklist import Outcome, open_items
from phasegate.domain.decision import Action, Decision, decide
from phasegate.domain.errors import MetricsAway
from phasegate.domain.events import (
    AbortAsked,
    Breached,
    Decided,
    Event,
    Extended,
    Judged,
    PhaseEnded,
    Soaking,
)
from phasegate.domain.judge.seen import low_traffic_reason, seen
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.observation import Batch
from phasegate.domain.plan import Environment, LowTraffic, Phase
from phasegate.domain.steps import Next, Step
from phasegate.domain.verdict import Finding, Reason, Verdict

HELD = timedelta(minutes=10)


async def begin_soak(
    outside: Outside, release: str, phase: Phase, *, since: datetime, until: datetime
) -> ReleaseState:
    """Note that *phase* is watched from *since* on, and ask people to look; a soak that has begun is kept."""

    def start(state: ReleaseState) -> Event | None:
        if phase.name in state.soaks or state.aborting:
            return None
        return Soaking(phase=phase.name, since=since, until=until)

    await outside.journal.record(release, start)
    return await inquire(outside, release, phase)


async def look(outside: Outside, state: ReleaseState, judging: Judging) -> Verdict | None:
    """Collect what is settled, ask for health once more, and judge; None while nothing is watched."""
    known, now = judging.known(state), outside.clock.now()
    found = await _collected(outside, state, known.until)
    lately = known.probed is not None and timedelta(0) <= now - known.probed < pause(state)
    # Without counts the health check is all that can show harm.
    probed = Probed() if lately else await _probed(outside, state, known.probed)
    # Synthetic requests are stored beside the look, which must not wait for a later one to see them.
    news = EVERYTHING if sends(state) else _news(found, probed, lately=lately)
    return await judging.verdict(outside, state, away=found is None, news=news)


def _news(found: Collected | None, probed: Probed, *, lately: bool) -> News | None:
    """What this look has stored itself need not be read back; None when there was nothing."""
    if found is None:
        return EVERYTHING
    if lately and not found.minutes:
        return None
    return News(found.minutes, probed.probes, whole=found.own and probed.whole)


async def _probed(outside: Outside, state: ReleaseState, known: datetime | None) -> Probed:
    if not _in_staging(state):
        return await probe_candidate(outside, state, known=known)
    if state.phase in state.soaks:
        return await probe_staging(outside, state, known=known)
    return Probed()


def _in_staging(state: ReleaseState) -> bool:
    return state.current is not None and state.current.environment is Environment.STAGING


async def _collected(outside: Outside, state: ReleaseState, known: datetime | None) -> Collected | None:
    """What the source said, nothing where there was nothing to ask; None when it is away."""
    soak, found = state.soaks.get(state.phase), None
    try:
        if not _in_staging(state):
            found = await collect(outside, state, known=known)
        elif soak:
            found = await collect_staging(outside, state, since=soak.since, known=known)
    except MetricsAway:
        return None
    return found or Collected(Batch(minutes=(), settled_until=state.at))


def waiting(state: ReleaseState, phase: Phase, *, now: datetime) -> Step | None:
    """The step that needs no look at production: the end, a question, a foreign split, an unfinished soak."""
    if state.ended is not None or state.aborting:
        return Step(next=Next.ABORT, because=state.ended.summary if state.ended else state.why_abort)
    if phase.name in state.ended_phases:
        return Step(next=Next.DONE, because=f"{phase.title} is over")
    if state.question is not None:
        until = state.question.expires_at
        return Step(next=Next.QUESTION, because=state.question.gate, until=until, question=state.question)
    return held(now=now) if state.drift is not None else _soaking(state, phase, now=now)


def _soaking(state: ReleaseState, phase: Phase, *, now: datetime) -> Step | None:
    soak = state.soaks.get(phase.name)
    if soak is None and phase.takes_traffic and (freeze := state.frozen(now)):
        until, why = freeze
        return Step(next=Next.SOAK, because=f"frozen until {until:%Y-%m-%d %H:%M %Z}: {why}", until=until)
    if soak and now < soak.until + state.plan.telemetry.settle:
        return Step(
            next=Next.SOAK,
            because=f"{phase.title} is watched until {soak.until:%H:%M:%S} UTC",
            until=soak.until + state.plan.telemetry.settle,
        )
    return None


def held(*, now: datetime) -> Step:
    """The wait for a decision about a foreign deployment; the keeper ends it."""
    because = "somebody else deployed; the release waits for a decision"
    return Step(next=Next.SOAK, because=because, until=now + HELD, held=True)


async def judge_phase(outside: Outside, release: str, phase: Phase, judging: Judging) -> Decision | None:
    """
    Judge the soak that is over and note verdict and decision.

    None when the release was called off meanwhile, or another phase is watched. A gate's approval
    is no verdict: health is judged again here before it takes effect. Raises Drift when what was
    watched is not what is live, MetricsAway while what there is to know of it is not known.
    """
    state, now = await outside.journal.state(release), outside.clock.now()
    if state.watched is None or state.watched.name != phase.name:
        return None
    verdict = await look(outside, state, judging)
    if verdict is None:
        return None
    refuse_incomplete(state, phase, verdict, asked_at=now)
    await outside.journal.record(
        release, lambda s: None if s.aborting else Judged(verdict=verdict, final=True)
    )
    if verdict.finding is Finding.HARMFUL:
        breach = Breached(
            phase=phase.name,
            because=verdict.because(),
            judged_until=verdict.judged_until,
            synthetic_until=verdict.synthetic_until,
        )
        await outside.journal.record(release, lambda s: breach if s.retractable else None)
    await _fail_checks(outside, release, phase)
    state = await outside.journal.state(release)
    if state.aborting:
        return None
    if phase.takes_traffic:
        await refuse_foreign(outside, release)
        state = await note_share(outside, release, phase)
    nobody = verdict.synthetic and await _nobody_came(outside, state, phase)
    decision = await _with_power(outside, state, phase, _decide(state, phase, verdict, nobody=nobody))
    if decision.action is Action.PROMOTE and phase.name not in state.holds_passed:
        decision = unasked(state, phase) or decision
    await outside.journal.record(
        release, lambda s: None if s.aborting else Decided(phase=phase.name, decision=decision)
    )
    return decision


async def _nobody_came(outside: Outside, state: ReleaseState, phase: Phase) -> bool:
    """Whether not one user used either version in *phase*: then there is no share to observe."""
    since = state.soaks[phase.name].since
    minutes = await outside.journal.ledger.minutes(state.release, state.service, after=since)
    return not any(minute.counts or minute.unattributed for minute in minutes)


def _decide(state: ReleaseState, phase: Phase, verdict: Verdict, *, nobody: bool) -> Decision:
    """
    A passed gate was asked about an accepted verdict: only silence or harm undoes that.

    A split that the traffic does not follow was not tested, whatever the counts say. Where *nobody*
    came, both versions have at least answered synthetic requests through that split.
    """
    extended = state.soaks[phase.name].extended
    decision = decide(phase, verdict, extended=extended, approved=phase.name in state.holds_passed)
    asked = phase.name in state.gates_passed and not verdict.silent and not verdict.violated
    if asked and decision.action in (Action.EXTEND, Action.ASK):
        decision = Decision(action=Action.PROMOTE, because=verdict.reasons)
    unseen = phase.takes_traffic and phase.name not in (*state.followed, *state.holds_passed) and not nobody
    if decision.action is Action.PROMOTE and unseen:
        return _not_followed(phase, extended)
    if decision.action is Action.PROMOTE and phase.name not in state.holds_passed:
        return _loaded(state, phase) or decision
    return decision


async def _with_power(outside: Outside, state: ReleaseState, phase: Phase, decision: Decision) -> Decision:
    """Thin evidence is accepted with its price: the smallest regression that would have been seen."""
    if not decision.accepted_low_traffic or state.canary is None:
        return decision
    shown = seen(
        state.plan,
        phase,
        await outside.journal.ledger.minutes(state.release, state.service),
        soaks={name: soak.since for name, soak in state.soaks.items()},
        canary=state.canary.id,
        control=state.opened.known_good.id,
    )
    because = (*decision.because, *map(low_traffic_reason, shown))
    return decision.model_copy(update={"because": because})


def _loaded(state: ReleaseState, phase: Phase) -> Decision | None:
    """A load test whose generator was too slow has neither passed nor failed; a person decides."""
    report = state.loads.get(phase.name, {})
    if report.get("conclusive", True) or phase.low_traffic is LowTraffic.ACCEPT:
        return None
    text = f"the load test is inconclusive: {report.get('reason')}"
    reason = Reason(criterion="load-test", finding=Finding.INCONCLUSIVE, rule="load-generator", text=text)
    return Decision(action=Action.ASK, because=(reason,))


def _not_followed(phase: Phase, extended: int) -> Decision:
    more = phase.soak is not None and extended < phase.soak.extensions
    text = f"the observed share has not followed the configured {phase.weight:g} %"
    reason = Reason(
        criterion="observed-share", finding=Finding.INCONCLUSIVE, rule="observed-share", text=text
    )
    return Decision(action=Action.EXTEND if more else Action.ASK, because=(reason,))


async def _fail_checks(outside: Outside, release: str, phase: Phase) -> None:
    def failed(state: ReleaseState) -> Event | None:
        faults = _failed_checks(state, phase)
        if not faults or state.aborting:
            return None
        return AbortAsked(by=f"checks of {phase.name}", reason="; ".join(faults))

    await outside.journal.record(release, failed)


def _failed_checks(state: ReleaseState, phase: Phase) -> list[str]:
    """What a machine found wrong, or was to prove and did not; staging proves the preflight's tests."""
    results = state.checks.get(phase.name, ())
    failed = [f"{result.key}: {result.detail}" for result in results if result.outcome is Outcome.FAILED]
    staging = phase.environment is Environment.STAGING
    items = (*phase.checklist, *(state.plan.preflight if staging else ()))
    known = {result.key for result in results}
    unproved = [item for item in open_items(items, results) if (item.check or item.key) not in known]
    failed += [f"{item.text}: no check proved it" for item in unproved]
    return failed


async def extend(outside: Outside, release: str, phase: Phase, *, because: str) -> ReleaseState:
    """Prolong the soak of *phase* by half its duration."""

    def longer(state: ReleaseState) -> Event | None:
        if state.aborting or phase.soak is None:
            return None
        until = outside.clock.now() + phase.soak.duration / 2
        return Extended(phase=phase.name, until=until, because=because)

    return await outside.journal.record(release, longer)


async def end_phase(outside: Outside, release: str, phase: Phase) -> ReleaseState:
    """Note that *phase* was passed, unless the release was called off in the same moment."""

    def passed(state: ReleaseState) -> Event | None:
        done = state.aborting or phase.name in state.ended_phases
        return None if done else PhaseEnded(phase=phase.name)

    return await outside.journal.record(release, passed)


async def call_off(outside: Outside, release: str, *, by: str, reason: str) -> ReleaseState:
    """Ask for the release to be taken back; the first reason stands, and a promoted one stays promoted."""

    def asked(state: ReleaseState) -> Event | None:
        return None if state.aborting or state.ended or state.promoted else AbortAsked(by=by, reason=reason)

    return await outside.journal.record(release, asked)
