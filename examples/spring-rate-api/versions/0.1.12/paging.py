"""``GET /api/calculations``: the list, a page at a time, of one manufacturer if asked."""

import records
from connections import connect
from spring import MAX_TEXT, invalid
from web import Request, Response, json_response

DEFAULT_LIMIT = 20
MAX_LIMIT = 100
MAX_DIGITS = 9
_ALL = "FROM calculations WHERE owner = ?1 AND deleted = 0"
_OF_ONE = f"{_ALL} AND manufacturer = ?2"


async def listing(request: Request) -> Response:
    """
    The page ``?limit=&offset=&manufacturer=``, newest first: ``{items, total, limit, offset}``.

    Count and page travel in one batch: one round trip, and both see the same rows.
    """
    query = request.query()
    limit = page_number(query, "limit", DEFAULT_LIMIT, MAX_LIMIT, lowest=1)
    offset = page_number(query, "offset", 0, 1_000_000, lowest=0)
    maker = _manufacturer(query)
    rows, params = (_OF_ONE, (request.owner, maker)) if maker else (_ALL, (request.owner,))
    order = f"ORDER BY updated_at DESC, id LIMIT {limit} OFFSET {offset}"
    database = await connect(request.env)
    counted, page = await database.batch(
        (f"SELECT COUNT(*) AS total {rows}", params),
        (f"SELECT {records.COLUMNS} {rows} {order}", params),
    )
    items = [records.to_json(row) for row in page.rows]
    total = counted.rows[0]["total"]
    return json_response({"items": items, "total": total, "limit": limit, "offset": offset})


def page_number(query: dict[str, str], name: str, default: int, highest: int, *, lowest: int) -> int:
    """A whole number of the query; 400 when it is out of range."""
    text = query.get(name, str(default))
    digits = len(text) <= MAX_DIGITS and text.isascii() and text.isdigit()
    if not digits or not lowest <= int(text) <= highest:
        raise invalid(name, f"must be a whole number from {lowest} to {highest}, not {text[:20]!r}")
    return int(text)


def _manufacturer(query: dict[str, str]) -> str:
    name = query.get("manufacturer", "").strip()
    if len(name) > MAX_TEXT or not name.isprintable():
        raise invalid("manufacturer", f"must have at most {MAX_TEXT} printable characters")
    return name
