"""The sessions of the load generator: opened, kept alive, renewed."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from load_server import HELLO, a_free_port, a_plan, a_server

from phasegate.adapters.load import Request, run_load
from phasegate.adapters.load_plan import LoadTargetAway, SessionPlan

SESSION = SessionPlan(path="/sessions", refresh_path="/refresh")


class Accounts:
    """A service with sessions of a given life; remembers which tokens were used."""

    def __init__(self, life):
        self.life = life
        self.opened = 0
        self.refreshed = 0
        self.valid = ""
        self.used = []

    async def handle(self, request):
        if request.path in ("/sessions", "/refresh"):
            self.opened += request.path == "/sessions"
            self.refreshed += request.path == "/refresh"
            return self._session()
        given = request.headers.get("Authorization")
        self.used.append(given)
        return web.Response(status=200 if given == self.valid else 401)

    def _session(self):
        token = f"t{self.opened}.{self.refreshed}"
        self.valid = f"Bearer {token}"
        expires = datetime.now(UTC) + timedelta(seconds=self.life)
        return web.json_response({"token": token, "refreshToken": "r", "expiresAt": expires.isoformat()})


MINE = Request(method="GET", path="/mine", needs_session=True)


async def test_a_token_is_renewed_before_it_expires():
    """
    A stream that outlives its token must not see a single 401.
    """
    accounts = Accounts(life=2.0)

    async with a_server(accounts.handle) as url:
        report = await run_load(url, a_plan(MINE, HELLO, rate=20, seconds=2.5, session=SESSION))

    assert accounts.opened == 1
    assert accounts.refreshed >= 1
    assert set(accounts.used) >= {None, "Bearer t1.0", "Bearer t1.1"}
    assert {part.failed for part in report.endpoints if part.name == "GET /mine"} <= {0, 1}


async def test_a_refused_token_is_renewed_at_once():
    """
    A service that forgot its sessions is asked for a new one, and the stream goes on.
    """
    accounts = Accounts(life=3600.0)

    async with a_server(accounts.handle) as url:
        asyncio.get_running_loop().call_later(0.3, setattr, accounts, "valid", "nothing")
        report = await run_load(url, a_plan(MINE, rate=20, seconds=2, session=SESSION))

    assert accounts.refreshed >= 1
    assert accounts.used[-1] == accounts.valid
    assert 0 < report.statuses["401"] < 30


async def test_no_session_is_an_error_that_says_where():
    """
    Without a session nothing can be measured, which is not the same as failing.
    """
    plan = a_plan(MINE, session=SESSION)

    with pytest.raises(
        LoadTargetAway, match=r"no session from POST http://127.0.0.1:\d+/sessions in 5 tries"
    ):
        await run_load(f"http://127.0.0.1:{a_free_port()}", plan)
