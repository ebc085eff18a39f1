"""``POST /graphql``: errors are told in GraphQL's shape, with HTTP 200."""

from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from phasegate.edge.api_context import Context, Route, object_of
from phasegate.edge.auth import Permission
from phasegate.edge.graphql import Analytics
from phasegate.edge.graphql_syntax import GraphQLError, parse


async def post_graphql(context: Context, request: Request) -> Response:
    """Answer one query."""
    body = await object_of(request)
    variables = body.get("variables") or {}
    analytics = Analytics(
        context.telemetry, account_id=context.config.account_id, lag=context.config.graphql_lag
    )
    try:
        if not isinstance(body.get("query"), str) or not isinstance(variables, Mapping):
            raise GraphQLError("the body must be {query, variables}")
        data = analytics.answer(parse(body["query"], variables))
    except GraphQLError as error:
        stamp = {"timestamp": datetime.now(UTC).isoformat()}
        failure = {"message": str(error), "path": None, "extensions": stamp}
        return JSONResponse({"data": None, "errors": [failure]})
    return JSONResponse({"data": data, "errors": None})


ROUTES = (Route("POST", "/graphql", post_graphql, Permission.ANALYTICS_READ),)
