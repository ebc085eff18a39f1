"""Who may call, how often, and what nobody can call."""

from datetime import timedelta

import httpx
import pytest
from edge_caller import DEMO, bundle, serving

from phasegate.edge.auth import ALL_PERMISSIONS, Permission, RateLimit


async def test_the_envelope_is_cloudflares(api):
    """
    Clients look at `success`, not at the HTTP status.
    """
    response = await api.http.get("/user/tokens/verify")

    answer = response.json()
    assert set(answer) == {"success", "errors", "messages", "result"}
    assert answer["success"] is True
    assert answer["result"]["status"] == "active"


@pytest.mark.parametrize("path", ["/user", "/accounts?page=1", "/memberships?page=1", "/user/tokens/verify"])
async def test_a_client_can_ask_who_it_is(api, path):
    """
    wrangler asks before and after everything.
    """
    response = await api.http.get(path)

    assert response.json()["success"] is True


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, 9106),
        ({"authorization": "Bearer wrong"}, 401, 10000),
        ({"authorization": "Basic eDp5"}, 401, 9106),
        ({"x-auth-key": "k", "x-auth-email": "e@example.org"}, 401, 9106),
    ],
)
async def test_who_has_no_token_is_refused(api, headers, status, code):
    """
    Global keys are refused too: they may do everything and cannot be limited.
    """
    async with httpx.AsyncClient(base_url=api.edge.api_url, headers=headers) as stranger:
        response = await stranger.get(f"{api.account}{DEMO}/deployments")

    assert response.status_code == status
    assert response.json()["errors"][0]["code"] == code


async def test_a_token_may_do_what_it_was_given():
    """
    A reader of metrics cannot change traffic, and a write implies its read.
    """
    tokens = {
        "full": ALL_PERMISSIONS,
        "reader": frozenset({Permission.OBSERVABILITY_WRITE}),
        "rollout": frozenset({Permission.SCRIPTS_WRITE}),
    }
    async with serving(tokens=tokens) as api:
        await api.create()
        api.http.headers["authorization"] = "Bearer reader"
        refused = await api.refusal("PUT", DEMO, files=bundle())
        counted = await api.query()
        api.http.headers["authorization"] = "Bearer rollout"
        unread = await api.refusal("POST", "/workers/observability/telemetry/query", json={})
        listed = await api.call("GET", f"{DEMO}/deployments")

    assert refused == (403, 10000)
    assert unread == (403, 10000)
    assert counted[0]["aggregates"] == []
    assert len(listed["deployments"]) == 1


async def test_an_unknown_path_is_unroutable(api):
    """
    So is a known path with a method that it does not have.
    """
    assert await api.refusal("GET", "/nonsense") == (404, 7003)
    assert await api.refusal("DELETE", f"{DEMO}/deployments") == (404, 7003)


async def test_another_account_is_refused(api):
    """
    A token is of one account.
    """
    response = await api.http.get(f"/accounts/{'0' * 32}/workers/scripts/demo/deployments")

    assert response.status_code == 403


async def test_too_many_calls_block_the_token():
    """
    Cloudflare blocks everything for minutes, and says for how long.
    """
    limit = RateLimit(calls=3, window=timedelta(minutes=5), block=timedelta(minutes=5))
    async with serving(rate_limit=limit) as api:
        answers = [await api.http.get("/user") for _ in range(5)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["ratelimit"] == '"default";r=2;t=300'
    assert 290 <= int(answers[3].headers["retry-after"]) <= 301


async def test_calls_are_recorded_without_their_secrets(api):
    """
    Tests prove with this record that nothing was written twice.
    """
    await api.create(bindings=[{"name": "KEY", "type": "secret_text", "text": "hunter2"}])

    response = await api.http.get(f"{api.edge.origin}/edge/calls")

    (call,) = response.json()["result"]
    assert (call["method"], call["path"]) == ("PUT", f"/client/v4{api.account}{DEMO}")
    assert (call["status"], call["acted"], call["fault"]) == (200, 200, None)
    assert "hunter2" not in response.text
    assert api.edge.token not in response.text
