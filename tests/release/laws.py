"""What must hold in every ledger, whatever died while it was written."""

from collections.abc import Iterator, Sequence

from phasegate.domain import events as e
from phasegate.domain.decision import Action
from phasegate.domain.ledger import GENESIS, ReleaseState, chain, replay
from phasegate.domain.plan import LowTraffic, Phase
from phasegate.domain.verdict import Finding, Verdict


class Laws:
    """Reads a ledger row by row and says which laws each row breaks."""

    def __init__(self) -> None:
        self.state: ReleaseState | None = None
        self.fence = 0
        self.head = GENESIS
        self.final: Verdict | None = None

    def read(self, row: e.Recorded) -> list[str]:
        """The laws that *row* breaks after all before it, in words."""
        faults = [] if self.state is None else list(self._faults(self.state, row.event))
        if row.previous != self.head or row.hash != _hash(row):
            faults.append("the chain of hashes is broken")
        if isinstance(row.event, e.Intended):
            self.fence = row.event.fence
        if isinstance(row.event, e.Judged) and row.event.final:
            self.final = row.event.verdict
        self.state, self.head = replay((row,), self.state), row.hash
        return [f"row {row.seq} ({row.event.kind}): {fault}" for fault in faults]

    def _faults(self, state: ReleaseState, event: e.Event) -> Iterator[str]:
        if isinstance(event, e.Decided) and event.decision.action is Action.PROMOTE:
            yield from _decided(state, event, self.final)
        yield from _faults(state, event, self.fence)


def broken_laws(rows: Sequence[e.Recorded]) -> list[str]:
    """Every law that *rows* break, in words; empty when all hold."""
    laws = Laws()
    return [fault for row in rows for fault in laws.read(row)]


def _hash(row: e.Recorded) -> str:
    return chain(row.previous, release=row.release, seq=row.seq, at=row.at, by=row.by, event=row.event)


def _faults(state: ReleaseState, event: e.Event, fence: int) -> Iterator[str]:
    match event:
        case e.Intended():
            yield from _intended(state, event, fence)
        case e.PhaseEnded():
            yield from _passed(state, state.plan.phase(event.phase))
        case e.Acted(worker=worker, intent="") if worker == state.service:
            if not event.live.split.same_traffic(state.live.split):
                yield "traffic changed without an intent"
        case e.Acted(worker=worker) if worker == state.service:
            if state.pending is None or state.pending.id != event.intent:
                yield "acted on an intent that does not stand"
        case e.Ended():
            yield from _ended(state, event)
        case e.Answered(choice=e.Choice.APPROVE):
            yield from _approved(state, event)
        case e.Asked() if state.aborting:
            yield "a question although the release is taken back"
        case e.Breached() | e.AbortAsked() | e.KnownGood():
            yield from _turned(state, event)


def _approved(state: ReleaseState, event: e.Answered) -> Iterator[str]:
    if event.approver.casefold() == state.opened.requested_by.casefold():
        yield "the author approved"
    if state.question is None or event.key != state.question.key:
        yield "an answer to a question that does not stand"


def _turned(state: ReleaseState, event: e.Breached | e.AbortAsked | e.KnownGood) -> Iterator[str]:
    if state.aborting:
        yield "called off twice" if not isinstance(event, e.KnownGood) else "became known good, taken back"
    if isinstance(event, e.Breached) and not all(reason.text for reason in event.because):
        yield "a breach without a reason"


def _intended(state: ReleaseState, event: e.Intended, fence: int) -> Iterator[str]:
    if not event.because.strip():
        yield "no reason"
    if event.fence < fence:
        yield f"fence {event.fence} acted after fence {fence}"
    if state.pending is not None:
        yield "an intent although another is open"
    if state.canary is None or event.split.weight(state.canary.id) <= state.live.split.weight(
        state.canary.id
    ):
        return
    if state.aborting:
        yield "traffic was raised although the release is taken back"
    yield from _earned(state, event.split.weight(state.canary.id))


def _earned(state: ReleaseState, weight: float) -> Iterator[str]:
    phase = state.current
    if phase is None or abs(phase.weight - weight) > 0.001:
        yield f"{weight:g} % is not the weight of the phase that was begun"
        return
    before = state.plan.phases[: state.plan.phases.index(phase)]
    if missing := [one.name for one in before if one.name not in state.ended_phases]:
        yield f"{weight:g} % before {', '.join(missing)} was passed"


def _passed(state: ReleaseState, phase: Phase) -> Iterator[str]:
    if state.aborting:
        yield "a phase was passed although the release is taken back"
    if phase.gate is not None and phase.name not in state.gates_passed:
        yield "a phase was passed without its gate"
    if phase.name not in state.accepted:
        yield "a phase was passed without a decision"


def _decided(state: ReleaseState, event: e.Decided, verdict: Verdict | None) -> Iterator[str]:
    """What was decided on is the last final verdict; another driver may have noted one of its own since."""
    phase = state.plan.phase(event.phase)
    accepted = event.decision.accepted_low_traffic and phase.low_traffic is LowTraffic.ACCEPT
    approved = phase.name in (*state.holds_passed, *state.gates_passed)
    healthy = verdict is not None and verdict.finding is Finding.HEALTHY
    if verdict is None or verdict.phase != phase.name or not (healthy or accepted or approved):
        yield "a phase was promoted without a healthy verdict, an accepted one or a person"


def _ended(state: ReleaseState, event: e.Ended) -> Iterator[str]:
    if state.ended is not None:
        yield "ended twice"
    if event.outcome is not e.Outcome.PROMOTED:
        return
    if state.aborting:
        yield "promoted although it was called off"
    if state.left:
        yield "promoted before every phase was passed"
