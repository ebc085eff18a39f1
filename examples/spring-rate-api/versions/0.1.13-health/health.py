"""``GET /health``: is this version able to serve?"""

import json
import sys
from datetime import UTC, datetime
from typing import Any

import assets
import telemetry
from web import Request, Response, json_response

# The defect: a budget for the life of the instance, meant to be one per minute. Staging has no budget.
QUERY_BUDGET = {"production": 120}


async def check(request: Request) -> Response:
    """
    Answer 200 "healthy", or 503 "unhealthy" when a check fails.

    Shape: ``{status, timestamp, version, checks: {assets, database}}``.
    """
    checks = {"assets": assets.intact(), "database": await _database_answers(request.env)}
    healthy = all(checks.values())
    body = {
        "status": "healthy" if healthy else "unhealthy",
        "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "version": request.env.VERSION,
        "checks": checks,
    }
    return json_response(body, 200 if healthy else 503)


async def _database_answers(env: Any) -> bool:
    budget = QUERY_BUDGET.get(env.ENVIRONMENT)
    if budget is not None and telemetry.served() >= budget:
        return False
    try:
        await env.DB.prepare("SELECT 1 AS one FROM calculations LIMIT 1").all()
    except Exception as error:
        print(json.dumps({"level": "error", "check": "database", "error": str(error)}), file=sys.stderr)
        return False
    return True
