"""Secrets that changed, versions and databases that are gone: said before, and never forced in silence."""

import json
from pathlib import Path

import httpx
import pytest

from phasegate.actions.advancing import call_off
from phasegate.actions.gates import answer
from phasegate.actions.preflight import examine, look_back
from phasegate.actions.rollback import restore
from phasegate.domain.approval import Answer
from phasegate.domain.errors import SecretsChanged
from phasegate.domain.events import Choice
from phasegate.domain.plan import OverSecrets
from phasegate.domain.standing import Hurdle
from phasegate.wiring import read_bundle
from tests.release.hands import change_secrets, kinds, looked, pages
from tests.release.stage import SERVICE, Stage, stage
from tests.release.test_keeper_takes_back import RELEASE, open_only, opened


async def test_changed_secrets_hold_a_rollback_and_page_once(tmp_path: Path):
    """
    Cloudflare asks (10220) before an older version runs with newer secrets; a machine does not answer that.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())
        change_secrets(world)
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")

        await looked(world, times=3)
        held = await world.weights()
        tried = (await kinds(world)).count("intended")
        state = await restore(world.hands, RELEASE, force="ada: the new key works for both")

        assert held == {"0.1.11": 90, "0.1.12": 10}
        assert tried == 2  # the promotion, and one attempt to take it back
        assert sum("needs a person" in page for page in await pages(world)) == 1
        assert state.restored_at is not None
        assert await world.weights() == {"0.1.11": 100}
        assert "allowed by ada" in await _noted(world)


async def test_a_plan_may_say_in_words_that_changed_secrets_are_no_obstacle(tmp_path: Path):
    """
    Then the rollback is forced at once, and the ledger says so.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan(rollback_over_changed_secrets=OverSecrets.FORCE))
        change_secrets(world)
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")

        await looked(world)

        assert await world.weights() == {"0.1.11": 100}
        assert "allowed by the plan" in await _noted(world)


async def test_a_free_way_back_asks_nobody(tmp_path: Path):
    """
    The usual release costs a few readings and no question.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await open_only(world, "0.1.12", plan)

        state = await examine(world.hands, RELEASE, plan.phase("canary"), bundle=_bundle(world))

        assert state.examined is not None
        assert state.examined.free
        assert [obstacle.hurdle for obstacle in state.examined.obstacles] == [Hurdle.NOT_EXAMINED]
        assert state.question is None


async def test_what_cannot_be_taken_back_needs_a_named_person(tmp_path: Path):
    """
    The database of the known-good version is gone: it is said before traffic moves, once.
    """
    async with stage(tmp_path, "0.1.12") as world:
        plan = world.plan()
        await open_only(world, "0.1.12", plan)
        await _drop_database(world)
        phase = plan.phase("canary")
        state = await examine(world.hands, RELEASE, phase, bundle=_bundle(world))
        question = state.question
        assert question is not None
        given = Answer(
            key=question.key,
            choice=Choice.APPROVE,
            approver="grace",
            role=question.roles[0],
            reason="it is being replaced",
            digest=question.digest,
        )

        await answer(world.hands, RELEASE, given)
        state = await examine(world.hands, RELEASE, phase, bundle=_bundle(world))

        assert "does not exist any more" in question.evidence
        assert state.question is None
        assert state.way_back_accepted
        assert state.gates_passed == state.holds_passed == ()


async def test_secrets_edited_after_the_known_good_version_are_seen(tmp_path: Path):
    """
    The candidate's own secrets and Durable Objects count as well: they change what can be undone.
    """
    async with stage(tmp_path, "0.1.12") as world:
        bundle = _bundle(world)
        metadata = {
            environment: {
                **content,
                "bindings": [
                    *content["bindings"],
                    {"type": "secret_text", "name": "KEY", "text": "x"},
                    {"type": "durable_object_namespace", "name": "ROOM", "class_name": "Room"},
                ],
            }
            for environment, content in bundle.metadata.items()
        }

        _, found = await look_back(
            world.hands, SERVICE, candidate=bundle.model_copy(update={"metadata": metadata})
        )

        assert [one.hurdle for one in found] == [Hurdle.SECRETS, Hurdle.DURABLE_OBJECTS]
        assert "KEY" in found[0].text
        assert "10211" in found[1].text


async def test_a_refused_rollback_says_what_to_do(tmp_path: Path):
    """
    The words name the refusal, what is still served, and the command.
    """
    async with stage(tmp_path, "0.1.12") as world:
        await opened(world, "0.1.12", world.plan())
        change_secrets(world)
        await call_off(world.hands, RELEASE, by="ada", reason="changed my mind")

        with pytest.raises(SecretsChanged, match="10220"):
            await restore(world.hands, RELEASE)
        with pytest.raises(SecretsChanged, match=r"still takes 10 %.*--over-changed-secrets"):
            await restore(world.hands, RELEASE)


async def _noted(world: Stage) -> str:
    rows = await world.hands.journal.ledger.events(RELEASE)
    return json.dumps([row.event.model_dump(mode="json") for row in rows])


def _bundle(world: Stage):
    return read_bundle(world.settings, str(world.bundles["0.1.12"]))


async def _drop_database(world: Stage) -> None:
    edge = world.edge
    base = f"{edge.api_url}/accounts/{edge.account_id}/d1/database"
    headers = {"Authorization": f"Bearer {edge.token}"}
    async with httpx.AsyncClient(timeout=30, headers=headers) as client:
        listed = (await client.get(base)).json()["result"]
        ident = next(item["uuid"] for item in listed if item["name"].endswith("-production"))
        (await client.delete(f"{base}/{ident}")).raise_for_status()
