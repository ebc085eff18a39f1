"""The people of the demo: they answer the gates through the same API as the Prefect UI."""

import asyncio

from phasegate.adapters.prefect_runs import PrefectRuns
from phasegate.domain.errors import Refused, RunsAway
from phasegate.domain.ledger import ReleaseState

NAMES = {"engineering-lead": "Ada (demo)", "product-owner": "Grace (demo)"}


class People:
    """Approve a question that follows a healthy or accepted verdict; leave every hold question alone."""

    def __init__(self, runs: PrefectRuns) -> None:
        self._runs = runs
        self._given: set[tuple[str, str, int]] = set()

    async def look(self, state: ReleaseState) -> str:
        """Answer for the next role that is missing; returns what was answered, in words."""
        question = state.question
        if question is None or question.hold:
            return ""
        asked = (state.release, question.key, state.responses)
        given = {answer.role for answer in state.answers}
        role = next((role for role in question.roles if role not in given), "")
        if not role or asked in self._given:
            return ""
        try:
            await self._runs.answer(state.run, _form(role))
        except (Refused, RunsAway):
            # The run shows its form a moment after the ledger shows the question.
            await asyncio.sleep(1)
            return ""
        self._given.add(asked)
        return f"{NAMES.get(role, role)} approves as {role}"


def _form(role: str) -> dict[str, str]:
    name = NAMES.get(role, "Alan (demo)")
    return {"decision": "approve", "approver": name, "role": role, "reason": "checks and load test passed"}
