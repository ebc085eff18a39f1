"""Random interleavings of everything that can happen to a release, and what must hold after each step."""

import asyncio
from datetime import timedelta

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from phasegate.actions.advancing import call_off
from phasegate.actions.gates import answer
from phasegate.actions.rollback import restore
from phasegate.domain.approval import Answer
from phasegate.domain.events import Choice
from phasegate.domain.versions import Split
from phasegate.ports import RunStatus
from tests.release.driver import approval
from tests.release.kill_cell import plan
from tests.release.model_platform import Process
from tests.release.model_world import ERRORS, RELEASE, SERVICE, World

SECOND = timedelta(seconds=1)
KEEPERS = ("keeper-a", "keeper-b")
TICKS_TO_RESTORE = 12
# A write that is under way when the platform becomes fast again.
SLOWEST = timedelta(seconds=20)
END = timedelta(minutes=45)
ENOUGH = 120
PHASES = ("", "staging", "canary", "canary", "partial", "full")
freezing = st.none() | st.integers(1, 30)


class ReleaseMachine(RuleBasedStateMachine):
    """One release; after each step the laws hold, and once the world is well again it ends."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(plan())
        self.foreign = False

    @initialize(bad=st.booleans(), freeze=freezing, until=st.sampled_from(PHASES))
    def opens(self, bad: bool, freeze: int | None, until: str) -> None:
        """The first run begins and gets so far, its candidate good or failing 8 % of requests."""
        self.world.runs.start()
        self.world.settle()
        for _ in range(ENOUGH if until else 0):
            if self.world.check() or (self.world.state and self.world.state.phase == until):
                break
            self.life_goes_on(1, approve=True)
        self.world.rates.update({"candidate": 0.08} if bad else {})
        self.world.acting[self._run].process.left = freeze

    @property
    def _run(self) -> str:
        return list(self.world.runs.status_of)[-1]

    @rule(seconds=st.sampled_from([1, 1, 1, 3, 3, 10, 40]))
    def time_passes(self, seconds: int) -> None:
        """Sleepers wake."""
        self.world.advance(seconds * SECOND)

    @rule(keeper=st.sampled_from(KEEPERS), freeze=freezing)
    def a_keeper_looks(self, keeper: str, freeze: int | None) -> None:
        """One tick, in which the keeper may freeze."""
        self.world.tick(keeper, freeze)

    @rule(seconds=st.integers(1, 12), approve=st.booleans())
    def life_goes_on(self, seconds: int, approve: bool) -> None:
        """Seconds pass in which both keepers look, and the right people say yes."""
        for _ in range(seconds):
            self.world.advance(SECOND)
            for keeper in KEEPERS:
                self.world.tick(keeper)
            state = self.world.check() or self.world.state
            if approve and state and state.question and not state.answers:
                for role in state.question.roles:
                    self._says(approval(state.question, role=role, approver=f"the {role}"))

    @rule(freeze=st.integers(1, 40))
    def the_run_freezes(self, freeze: int) -> None:
        """The run's host stands still at one of its next calls."""
        acting = self.world.acting.get(self._run)
        if acting and not acting.process.frozen:
            acting.process.left = freeze

    @rule(who=st.integers(0, 5), freeze=freezing)
    def somebody_wakes_up_late(self, who: int, freeze: int | None) -> None:
        """A frozen process goes on as if nothing had happened."""
        frozen = [one for one in self.world.acting.values() if one.process.frozen]
        if frozen:
            frozen[who % len(frozen)].process.thaw(freeze)
            self.world.settle()

    @rule(who=st.integers(0, 5), seen=st.booleans())
    def somebody_is_killed(self, who: int, seen: bool) -> None:
        """A run or keeper dies; the orchestrator may not notice."""
        names = sorted(self.world.acting)
        if not names:
            return
        name = names[who % len(names)]
        note(f"killed: {name}")
        self.world.kill(name)
        if name in self.world.runs.status_of and seen:
            self.world.runs.status_of[name] = RunStatus.LOST

    @rule(
        role=st.sampled_from(["engineering-lead", "product-owner"]),
        who=st.sampled_from(["ada", "grace", "linus"]),
        choice=st.sampled_from([Choice.APPROVE, Choice.APPROVE, Choice.REJECT, Choice.EXTEND]),
        stale=st.booleans(),
        late=st.integers(0, 1),
    )
    @precondition(lambda self: self.world.state and self.world.state.asked)
    def somebody_answers(self, role: str, who: str, choice: Choice, stale: bool, late: int) -> None:
        """An answer to the question that stands, or to one that does not stand any more."""
        state = self.world.state
        assert state is not None
        question = state.question
        key = question.key if question and not late else f"go-{state.asked}"
        digest = question.digest if question and not stale else "of something else"
        given = Answer(key=key, choice=choice, approver=who, role=role, reason="because", digest=digest)
        self._says(given)

    def _says(self, given: Answer) -> None:
        process = Process(f"person {given.approver}")
        name = self.world.name("answer")
        self.world.begin(name, process, answer(self.world.hands(process), RELEASE, given))
        self.world.settle()

    @rule(what=st.sampled_from(["abort", "cancel", "nothing", "nothing"]), freeze=freezing)
    @precondition(lambda self: self.world.state and not self.world.state.ended)
    def somebody_calls_it_off(self, what: str, freeze: int | None) -> None:
        """``phasegate abort``, which may freeze half way, or Cancel in the orchestrator."""
        if what == "cancel":
            self.world.kill(self._run)
            self.world.runs.status_of[self._run] = RunStatus.CANCELLED
        if what != "abort":
            return
        process = Process("abort", left=freeze)
        hands = self.world.hands(process)

        async def abort() -> None:
            await call_off(hands, RELEASE, by="ada", reason="users complain")
            await restore(hands, RELEASE)

        self.world.begin(self.world.name("abort"), process, abort())
        self.world.settle()

    @rule(what=st.sampled_from(sorted(ERRORS)), goes=st.booleans())
    def something_goes_away_or_comes_back(self, what: str, goes: bool) -> None:
        """An outage begins or ends."""
        (self.world.outages.down.add if goes else self.world.outages.down.discard)(what)

    @rule()
    def everything_answers_again(self) -> None:
        """All outages end."""
        self.world.outages.down.clear()

    @rule(slow=st.booleans())
    def the_platform_is_slow(self, slow: bool) -> None:
        """Writes take longer than a lease lasts, or not."""
        self.world.platform.slow = slow

    @rule(kind=st.sampled_from(["hotfix", "candidate", "back", "back"]))
    @precondition(lambda self: self.world.state and not self.world.state.ended)
    def somebody_else_deploys(self, kind: str) -> None:
        """A foreign version, the candidate at a weight of its own, or what the ledger expects."""
        state = self.world.state
        assert state is not None
        if kind == "hotfix":
            hotfix = self.world.platform.version(SERVICE, "hotfix", "hotfix")
            split = Split.whole(hotfix.id)
        elif kind == "candidate" and state.canary and not state.promoted:
            split = Split.between(state.known_good.id, state.canary.id, canary_weight=30)
        else:
            split = Split.whole(state.known_good.id) if state.aborting else state.live.split
        self.world.platform.put(SERVICE, split, "by hand")

    @rule(bad=st.booleans(), requests=st.sampled_from([0, 6000, 6000]))
    def the_candidate_changes(self, bad: bool, requests: int) -> None:
        """It begins to fail, or is well again; or nobody asks for it."""
        self.world.rates.update({"candidate": 0.08 if bad else 0.0})
        self.world.served(requests)

    @invariant()
    def the_laws_hold(self) -> None:
        """See `laws.py`; and code never raises what it did not mean to."""
        broken = self.world.check()
        assert not broken, broken

    def teardown(self) -> None:
        """Once everything answers and keepers look, production is safe at once and the release ends."""
        try:
            self._heal()
            self._is_safe_soon()
            self._ends()
            self._late_wakers_change_nothing()
        finally:
            self.world.close()

    def _heal(self) -> None:
        world = self.world
        world.outages.down.clear()
        world.platform.slow = False
        for keeper in KEEPERS:
            world.kill(keeper)
        world.advance(SLOWEST)

    def _is_safe_soon(self) -> None:
        for _ in range(TICKS_TO_RESTORE):
            self.world.advance(SECOND)
            for keeper in KEEPERS:
                self.world.tick(keeper)
            self.the_laws_hold()
        state = self.world.state
        by_hand = not self.world.platform.deployments[SERVICE][-1].ours
        # What a person deploys after the end is theirs.
        if state is not None and state.aborting and not (state.ended and by_hand):
            assert self.world.candidate_weight == 0, "the candidate takes traffic after an abort"

    def _ends(self) -> None:
        world, until = self.world, self.world.clock.now() + END
        while world.clock.now() < until and world.state and world.state.ended is None:
            self._person_repairs()
            world.advance(3 * SECOND)
            for keeper in KEEPERS:
                world.tick(keeper)
            self.the_laws_hold()
        if world.state is not None:
            assert world.state.ended is not None, f"not ended after {END}: {self._told()}"

    def _person_repairs(self) -> None:
        """A foreign split holds the release until a person brings back what the ledger expects."""
        state, live = self.world.state, self.world.platform.newest(SERVICE)
        if state is None or state.drift is None or live.id != state.drift.found.id:
            return
        split = Split.whole(state.known_good.id) if state.aborting else state.live.split
        self.world.platform.put(SERVICE, split, "brought back by hand")

    def _late_wakers_change_nothing(self) -> None:
        state = self.world.state
        before = self.world.candidate_weight
        for acting in tuple(self.world.acting.values()):
            acting.process.thaw()
        self.world.settle()
        self.world.advance(timedelta(minutes=2))
        self.the_laws_hold()
        if state is not None:
            assert self.world.candidate_weight == before, "somebody changed traffic after the end"

    def _told(self) -> str:
        rows = self.world.ledger.rows[RELEASE]
        troubles = {name: watch.troubles for name, (_, watch) in self.world.watches.items()}
        runs = {run[-2:]: str(status) for run, status in self.world.runs.status_of.items()}
        return (
            f"{[row.event.kind for row in rows][-8:]} {troubles} {runs} {asyncio.all_tasks(self.world.loop)}"
        )
