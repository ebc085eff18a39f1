"""Who has answered a question may answer again: nothing is lost by it, nothing spins, nobody is kept out."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phasegate.actions.gates import answer, ask
from phasegate.actions.outside import Outside
from phasegate.domain.events import AnswerRefused, Asked, Choice
from phasegate.domain.ledger import ReleaseState
from phasegate.domain.steps import Next, Step
from tasks import gate, wait
from tests.release.driver import approval
from tests.release.paper import RELEASE, paper_release

pytestmark = pytest.mark.patient
LEAD, OWNER = "engineering-lead", "product-owner"


class Asleep(Exception):
    """The run gave its process up: its form waits for a person."""


@dataclass
class Forms:
    """The forms of one run as Prefect keeps them: a key that has fired gives the stored input at once."""

    hands: Outside
    stored: dict[str, dict[str, str]] = field(default_factory=dict)
    shown: str = ""

    async def suspend(self, *, key: str, wait_for_input: Any, timeout: int) -> Any:
        """As ``asuspend_flow_run``."""
        if key not in self.stored:
            self.shown = key
            raise Asleep
        return SimpleNamespace(**self.stored[key])

    async def says(self, decision: str, *, who: str, role: str) -> None:
        """A person fills in the form that is shown, and the run goes on until it shows the next one."""
        self.stored[self.shown] = {"decision": decision, "approver": who, "role": role, "reason": "because"}
        await self.walk()

    async def walk(self) -> None:
        """The run wakes up at the top: it waits again and again for the question that stands."""
        for _ in range(10):
            state = await self.hands.journal.state(RELEASE)
            if state.question is None:
                return
            step = Step(next=Next.QUESTION, because="go?", question=state.question)
            try:
                await wait.wait(RELEASE, step)
            except Asleep:
                return
        raise AssertionError("the run spins: no form is shown, and no answer moves it on")


@asynccontextmanager
async def asking(home: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Outside, Forms]]:
    """A run that waits with a question to two roles, its process given up."""
    async with paper_release(home) as (paper, _):
        hands = replace(paper, channels={})
        forms = Forms(hands)

        async def shared() -> Outside:
            return hands

        patch.setattr(gate, "shared", shared)
        patch.setattr(wait, "shared", shared)
        patch.setattr(wait, "gate", gate.gate.__wrapped__)  # type: ignore[attr-defined]
        patch.setattr(wait, "get_run_logger", lambda: logging.getLogger("test"))
        patch.setattr(wait, "asuspend_flow_run", forms.suspend)
        phase = (await hands.journal.state(RELEASE)).plan.phase("staging")
        assert phase.gate is not None
        await ask(hands, RELEASE, phase, gate=phase.gate, hold=False, evidence="all green")
        await forms.walk()
        yield hands, forms


async def refusals(hands: Outside) -> list[str]:
    """Why answers did not count."""
    rows = await hands.journal.ledger.events(RELEASE)
    return [row.event.why for row in rows if isinstance(row.event, AnswerRefused)]


async def stands(hands: Outside) -> ReleaseState:
    """The newest state."""
    return await hands.journal.state(RELEASE)


async def question(hands: Outside) -> Asked:
    """The question that stands."""
    asked = (await stands(hands)).question
    assert asked is not None
    return asked


async def test_a_second_approval_is_refused_and_the_other_role_still_has_a_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    Whoever sees the run wait again and submits once more must not keep the others out.
    """
    async with asking(tmp_path, monkeypatch) as (hands, forms):
        await forms.says("approve", who="Grace", role=LEAD)
        await forms.says("approve", who="Grace", role=LEAD)
        why = await refusals(hands)
        await forms.says("approve", who="Alan", role=OWNER)
        state = await stands(hands)

    assert why == [f"Grace has already approved as {LEAD}; nobody approves twice, a rejection would count"]
    assert state.question is None
    assert state.gates_passed == ("staging",)


async def test_who_approved_and_then_finds_a_fault_rejects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """
    Taking back is always allowed, also in the role that has said yes.
    """
    async with asking(tmp_path, monkeypatch) as (hands, forms):
        await forms.says("approve", who="Grace", role=LEAD)
        await forms.says("reject", who="Grace", role=LEAD)
        state = await stands(hands)

    assert state.question is None
    assert state.aborting
    assert state.why_abort == f"Grace ({LEAD}): because"


async def test_a_form_that_is_read_again_after_it_counted_is_not_noted_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """
    Two processes of one run may have read the same form; the form that the run shows stays the next one.
    """
    async with asking(tmp_path, monkeypatch) as (hands, forms):
        first, asked = forms.shown, await question(hands)
        await forms.says("approve", who="Grace", role=LEAD)
        given = {**forms.stored[first], "key": asked.key, "digest": asked.digest}
        words = await gate.gate.__wrapped__(RELEASE, attempt=0, **given)  # type: ignore[attr-defined]
        again, counted = await refusals(hands), (await stands(hands)).responses
        await forms.says("approve", who="Alan", role=OWNER)
        state = await stands(hands)

    assert (again, counted) == ([], 1)
    assert "noted before" in words
    assert state.gates_passed == ("staging",)


async def test_a_changed_mind_counts_although_another_run_had_shown_the_form(tmp_path: Path):
    """
    A run that was replaced and is not dead shows its old form; only what it repeats is left out.
    """
    async with paper_release(tmp_path) as (hands, _):
        phase = (await stands(hands)).plan.phase("staging")
        assert phase.gate is not None
        await ask(hands, RELEASE, phase, gate=phase.gate, hold=False, evidence="all green")
        asked = await question(hands)
        yes = approval(asked, approver="Grace")
        first = await answer(hands, RELEASE, yes, attempt=0)
        replayed = await answer(hands, RELEASE, yes, attempt=0)
        no = yes.model_copy(update={"choice": Choice.REJECT})
        second = await answer(hands, RELEASE, no, attempt=0)
        state = await stands(hands)

    assert first is not None
    assert replayed is None
    assert second is not None
    assert state.aborting
