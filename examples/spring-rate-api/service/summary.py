"""``GET /api/calculations/summary``: how many springs by manufacturer, and their range of rates."""

from connections import connect
from web import Request, Response, json_response

_SUMMARY = """
SELECT manufacturer, COUNT(*) AS count, MIN(k) AS lowest, MAX(k) AS highest
FROM calculations WHERE owner = ?1 AND deleted = 0
GROUP BY manufacturer ORDER BY count DESC, manufacturer LIMIT 50
"""


async def show(request: Request) -> Response:
    """``{items: [{manufacturer, count, lowest, highest}]}``, the most frequent first."""
    database = await connect(request.env)
    rows = await database.rows(_SUMMARY, request.owner)
    return json_response({"items": [dict(row) for row in rows]})
