"""
The calls of ``wrangler d1 execute --file``: *init*, an upload, *ingest*, and *poll* until it is done.

Shapes as wrangler reads them (``src/d1/execute.ts``); ``upload_url`` in an answer asks for the file.
"""

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_context import Context, Route, object_of
from phasegate.edge.api_d1 import database_record
from phasegate.edge.auth import Permission
from phasegate.edge.d1_import import MOST_BYTES
from phasegate.edge.envelope import ApiError, answer

_UPLOAD = "/d1-import"


async def run_import(context: Context, request: Request) -> Response:
    """One step of an import, by its ``action``."""
    database = database_record(context, request).id
    body = await object_of(request)
    match body.get("action"):
        case "init":
            return await _init(context, request, database, _etag(body))
        case "ingest":
            return answer(await context.imports.begin(database, _etag(body)))
        case "poll":
            return answer(await context.imports.progress(database))
    raise ApiError(400, 7400, "action must be init, ingest or poll")


async def take_file(context: Context, request: Request) -> Response:
    """The file itself, by the address that *init* gave; its MD5 is the answer's ``ETag``."""
    if int(request.headers.get("content-length") or 0) > MOST_BYTES:
        raise ApiError(413, 7500, f"the file is larger than {MOST_BYTES} bytes")
    etag = context.imports.take(request.path_params["ticket"], await request.body())
    return Response(headers={"etag": f'"{etag}"'})


async def _init(context: Context, request: Request, database: str, etag: str) -> Response:
    given = context.imports.expect(database, etag)
    if given is None:
        return answer(await context.imports.begin(database, etag))
    ticket, name = given
    url = str(request.url.replace(path=f"/client/v4{_UPLOAD}/{ticket}", query=""))
    return answer({"success": True, "type": "import", "upload_url": url, "filename": name, "messages": []})


def _etag(body: dict[str, object]) -> str:
    etag = body.get("etag")
    if not isinstance(etag, str) or len(etag) != 32:
        raise ApiError(400, 7400, "etag must be the MD5 of the file in hex")
    return etag


ROUTES = (
    Route("POST", "/accounts/{account}/d1/database/{database}/import", run_import, Permission.D1_WRITE),
    Route("PUT", f"{_UPLOAD}/{{ticket}}", take_file, own_token=True),
)
