"""``GET /api/calculations``: the list, a page at a time."""

import records
from connections import connect
from spring import invalid
from web import Request, Response, json_response

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_DIGITS = 9
_COUNT = "SELECT COUNT(*) AS total FROM calculations WHERE owner = ?1 AND deleted = 0"
_PAGE = f"""
SELECT {records.COLUMNS} FROM calculations WHERE owner = ?1 AND deleted = 0
ORDER BY updated_at DESC, id LIMIT ?2 OFFSET ?3
"""


async def listing(request: Request) -> Response:
    """The page ``?limit=&offset=``, newest first: ``{items, total, limit, offset}``."""
    query = request.query()
    limit = page_number(query, "limit", DEFAULT_LIMIT, MAX_LIMIT, lowest=1)
    offset = page_number(query, "offset", 0, 1_000_000, lowest=0)
    database = await connect(request.env)
    counted = await database.row(_COUNT, request.owner)
    rows = await database.rows(_PAGE, request.owner, limit, offset)
    total = counted["total"] if counted else 0
    items = [records.to_json(row) for row in rows]
    return json_response({"items": items, "total": total, "limit": limit, "offset": offset})


def page_number(query: dict[str, str], name: str, default: int, highest: int, *, lowest: int) -> int:
    """A whole number of the query; 400 when it is out of range."""
    text = query.get(name, str(default))
    digits = len(text) <= MAX_DIGITS and text.isascii() and text.isdigit()
    if not digits or not lowest <= int(text) <= highest:
        raise invalid(name, f"must be a whole number from {lowest} to {highest}, not {text[:20]!r}")
    return int(text)
