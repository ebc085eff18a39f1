"""The account and its tokens, as far as clients ask who they are."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_context import Context, Route
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import answer, page

_CREATED = "2024-01-01T00:00:00.000000Z"


async def verify_token(context: Context, request: Request) -> Response:
    """That the token is known, which was proven on the way here."""
    return answer({"id": context.config.account_id[::-1], "status": "active"})


async def get_user(context: Context, request: Request) -> Response:
    """Who the token belongs to."""
    return answer({"id": context.config.account_id[::-1], "email": "edge@localhost", "suspended": False})


async def list_accounts(context: Context, request: Request) -> Response:
    """The one account of this edge."""
    return page([_account(context)])


async def list_memberships(context: Context, request: Request) -> Response:
    """The one membership."""
    membership = {"id": context.config.account_id[::-1], "status": "accepted", "account": _account(context)}
    return page([membership | {"roles": ["Administrator"]}])


async def get_subdomain(context: Context, request: Request) -> Response:
    """The account's subdomain of workers.dev."""
    return answer({"subdomain": context.config.subdomain})


def _account(context: Context) -> dict[str, Any]:
    return {
        "id": context.config.account_id,
        "name": "phasegate edge",
        "type": "standard",
        "created_on": _CREATED,
    }


_A = "/accounts/{account}"
ROUTES = (
    Route("GET", "/user/tokens/verify", verify_token),
    Route("GET", f"{_A}/tokens/verify", verify_token),
    Route("GET", "/user", get_user),
    Route("GET", "/accounts", list_accounts),
    Route("GET", "/memberships", list_memberships),
    Route("GET", f"{_A}/workers/subdomain", get_subdomain, Permission.SCRIPTS_READ),
)
