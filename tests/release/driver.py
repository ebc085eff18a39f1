"""A release driven as the flow drives it, without Prefect; killed anywhere and called again it goes on."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from phasegate.actions.advancing import begin_soak, call_off
from phasegate.actions.deploying import promote, stage, upload
from phasegate.actions.evaluating import evaluate
from phasegate.actions.gates import answer
from phasegate.actions.opening import open_release
from phasegate.actions.outside import Outside
from phasegate.actions.rollback import close, note_recovery, restore, verify, watch_recovery
from phasegate.actions.sharing import note_share
from phasegate.actions.staging import load_staging, validate_staging
from phasegate.actions.stalling import stall
from phasegate.domain.approval import Answer
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import Away, CallAPerson, FixTheInput, Superseded
from phasegate.domain.events import Asked, Candidate, Choice, Driven, Event, Outcome, PhaseBegan
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.plan import Environment, Phase, RolloutPlan
from phasegate.domain.steps import Next, Step

SECOND = timedelta(seconds=1)
TRIES = 300
Wait = Callable[[ReleaseState, Step], Awaitable[None]]


class Driver:
    """One run of a release; *wait* is what it does between two steps."""

    def __init__(self, hands: Outside, release: str, bundle: Bundle, *, run: str, wait: Wait) -> None:
        self.hands = hands
        self.release = release
        self.bundle = bundle
        self.run = run
        self.wait = wait

    async def open(self, service: str, plan: RolloutPlan) -> None:
        """Open the release unless that was done."""
        if await self.hands.journal.exists(self.release):
            return
        await open_release(
            self.hands,
            self.release,
            service=service,
            plan=plan,
            candidate=Candidate(bundle="bundle", digest=self.bundle.digest, tag=self.bundle.tag),
            reason="a test",
            requested_by="linus",
        )

    async def drive(self) -> ReleaseState:
        """Walk the phases to the release's end."""
        journal = self.hands.journal
        state = await journal.record(self.release, self._driven)
        if state.ended is not None:
            return state
        for phase in state.left:
            while not (step := await self.work(phase)).finished:
                await self.wait(await journal.state(self.release), step)
            if step.aborted:
                return await self.take_back()
        summary = "every phase was passed"
        state = await close(self.hands, self.release, outcome=Outcome.PROMOTED, summary=summary)
        return state if state.ended else await self.take_back()

    def _driven(self, state: ReleaseState) -> Event | None:
        return None if state.run == self.run or state.ended else Driven(run=self.run)

    async def work(self, phase: Phase) -> Step:
        """What the phase flow does once."""
        try:
            return await self._work(phase)
        except (Away, Superseded) as away:
            return await stall(self.hands, self.release, phase.name, because=str(away))
        except (FixTheInput, CallAPerson) as trouble:
            state = await call_off(self.hands, self.release, by=f"phase {phase.name}", reason=str(trouble))
            return Step(next=Next.ABORT, because=state.why_abort)

    async def _work(self, phase: Phase) -> Step:
        hands, release, name = self.hands, self.release, phase.name
        state = await hands.journal.record(release, lambda s: _began(s, name))
        if not state.aborting and name not in state.ended_phases:
            await upload(hands, release, environment=phase.environment, bundle=self.bundle)
            if phase.environment is Environment.STAGING:
                await stage(hands, release)
                await validate_staging(hands, release, phase)
                await load_staging(hands, release, phase)
            else:
                await self._give(state, phase)
        step, _ = await evaluate(hands, release, phase)
        return step

    async def _give(self, state: ReleaseState, phase: Phase) -> None:
        hands, release = self.hands, self.release
        if phase.name not in state.soaks and state.frozen(hands.clock.now()):
            return
        await promote(hands, release, phase)
        now = hands.clock.now()
        assert phase.soak is not None
        await begin_soak(hands, release, phase, since=now, until=now + phase.soak.duration)
        await note_share(hands, release, phase)

    async def take_back(self) -> ReleaseState:
        """What the rollback flow does."""
        hands, release = self.hands, self.release
        state = await self._restored()
        if not state.was_exposed:
            return await close(hands, release, outcome=Outcome.REFUSED, summary=state.why_abort)
        await verify(hands, release)
        for _ in range(TRIES):
            try:
                seen = await watch_recovery(hands, release)
                if seen.recovered is not None:
                    break
            except Away:
                pass
            await hands.clock.sleep(state.plan.tick)
        await note_recovery(hands, release, seen)
        return await close(hands, release, outcome=Outcome.ROLLED_BACK, summary=state.why_abort)

    async def _restored(self) -> ReleaseState:
        for _ in range(TRIES):
            try:
                return await restore(self.hands, self.release)
            except (Away, Superseded):
                await self.hands.clock.sleep(3 * SECOND)
        return await restore(self.hands, self.release)


def _began(state: ReleaseState, name: str) -> PhaseBegan | None:
    over = state.aborting or state.phase == name or name in state.ended_phases
    return None if over else PhaseBegan(phase=name)


def approval(question: Asked, *, role: str = "", approver: str = "ada", digest: str = "") -> Answer:
    """A person's yes to *question*."""
    return Answer(
        key=question.key,
        choice=Choice.APPROVE,
        approver=approver,
        role=role or question.roles[0],
        reason="looks fine",
        digest=digest or question.digest,
    )


async def wait_in_place(hands: Outside, state: ReleaseState, step: Step) -> None:
    """Wait for a soak's end; answer a question with the yes of one person for each role."""
    if step.question is not None:
        for number, role in enumerate(step.question.roles):
            given = approval(step.question, role=role, approver=f"ada {number}")
            await answer(hands, state.release, given)
        return
    until = step.until or hands.clock.now()
    while hands.clock.now() < until:
        await hands.clock.sleep(SECOND / 2)
        if (await hands.journal.state(state.release)).aborting:
            return
