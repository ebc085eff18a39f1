"""What the API tells about a way back before anybody needs it."""

from collections.abc import Callable
from typing import Any

import pytest
from cloudflare_cloud import TIMEOUT, WORKER, a_bundle, a_cloud
from pydantic import SecretStr

from phasegate.adapters.cloudflare import CloudflareClient
from phasegate.adapters.cloudflare.way_back import obstacles
from phasegate.domain.bundle import Bundle
from phasegate.domain.errors import TargetAway
from phasegate.domain.standing import Hurdle, Obstacle
from phasegate.edge.auth import Permission
from tests.loopback import Reply, serve


def account(**answers: Any) -> Callable[[str, str, bytes], Reply]:
    """An account whose answers are *answers*, by a part of the path; a Reply is sent as it is."""

    def answer(method: str, path: str, body: bytes) -> Reply:
        part = next((name for name in answers if name in path.replace("/", "_")), None)
        if part is None:
            return Reply(404, {"success": False, "errors": [{"code": 7404, "message": "not found"}]})
        found = answers[part]
        return found if isinstance(found, Reply) else Reply(200, {"success": True, "result": found})

    return answer


def listed(*ids: str, **annotations: dict[str, str]) -> dict[str, Any]:
    return {"items": [{"id": each, "annotations": annotations.get(each, {})} for each in ids]}


def detail(*bindings: dict[str, str]) -> dict[str, Any]:
    return {"id": "good", "resources": {"bindings": list(bindings)}}


async def found(candidate: Bundle | str = "", **answers: Any) -> tuple[Obstacle, ...]:
    """The obstacles on the way back to ``good`` on such an account."""
    async with serve(account(**answers)) as server:
        client = CloudflareClient(server.url, "acct", SecretStr("t"), timeout=TIMEOUT, budget=0.5)
        try:
            return await obstacles(client, "api", "good", candidate=candidate)
        finally:
            await client.close()


@pytest.mark.parametrize(("ids", "free"), [(98, True), (99, False), (100, False)])
async def test_only_the_hundred_newest_versions_can_be_deployed(ids: int, free: bool):
    """
    The upload of the candidate counts: it pushes the oldest one out.
    """
    newer = [f"v{number}" for number in range(ids)]

    hurdles = await found(a_bundle("v2"), versions_good=detail(), versions=listed(*newer, "good"), secrets=[])

    assert ([each.hurdle for each in hurdles] == []) is free
    assert free or hurdles[0].hurdle is Hurdle.NOT_DEPLOYABLE


async def test_a_version_that_is_not_listed_is_gone():
    """
    The known-good version may be older than what the platform keeps.
    """
    (gone,) = await found(versions_good=detail(), versions=listed("other"), secrets=[])

    assert gone.hurdle is Hurdle.NOT_DEPLOYABLE


async def test_secrets_edited_after_the_version_are_an_obstacle():
    """
    The edge edits a secret as Cloudflare does: with a version of its own.
    """
    async with a_cloud() as cloud:
        (first,) = await cloud.live_at(100)
        path = f"{cloud.edge.api_url}/accounts/{cloud.edge.account_id}/workers/scripts/{WORKER}/secrets"
        secret = {"name": "KEY", "text": "hunter2", "type": "secret_text"}
        headers = {"Authorization": f"Bearer {cloud.edge.token}"}
        (await cloud.http.put(path, json=secret, headers=headers)).raise_for_status()

        (changed,) = await cloud.target.obstacles(WORKER, first.id, candidate="")

    assert changed.hurdle is Hurdle.SECRETS
    assert "edited after it (1 times)" in changed.text
    assert "KEY" in changed.text
    assert "hunter2" not in changed.text


async def test_what_a_version_is_bound_to_must_still_exist():
    """
    A database and a Worker are looked for; what cannot be looked for is said and asks nobody.
    """
    bindings = (
        {"name": "DB", "type": "d1", "id": "d-1"},
        {"name": "OTHER", "type": "service", "service": "gone"},
        {"name": "CACHE", "type": "kv_namespace", "namespace_id": "1"},
        {"name": "PLAIN", "type": "plain_text", "text": "x"},
    )

    there = await found(
        versions_good=detail(*bindings),
        versions=listed("good"),
        secrets=[],
        d1_database={"uuid": "d-1"},
        workers_services={"id": "gone"},
    )
    missing = await found(versions_good=detail(*bindings), versions=listed("good"), secrets=[])

    assert [each.hurdle for each in there] == [Hurdle.NOT_EXAMINED]
    assert not there[0].asks
    assert [each.hurdle for each in missing] == [Hurdle.BINDING, Hurdle.BINDING, Hurdle.NOT_EXAMINED]


async def test_what_may_not_be_read_is_an_obstacle_and_what_does_not_answer_is_away():
    """
    Ignorance is no free way back; an outage is waited out.
    """
    tokens = {"full": frozenset(Permission), "poor": frozenset({Permission.D1_READ})}
    async with a_cloud(tokens=tokens) as cloud:
        client = CloudflareClient(
            cloud.edge.api_url, cloud.edge.account_id, SecretStr("poor"), timeout=TIMEOUT
        )
        (unknown,) = await obstacles(client, WORKER, "good", candidate="")

    assert unknown.hurdle is Hurdle.UNKNOWN
    assert unknown.asks
    with pytest.raises(TargetAway):
        await found(versions=Reply(503, "away"))
