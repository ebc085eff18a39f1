"""The two calls by which static assets arrive."""

import base64
import binascii

from starlette.requests import Request
from starlette.responses import Response

from phasegate.edge.api_bundle import read_parts
from phasegate.edge.api_context import Context, Route, object_of
from phasegate.edge.auth import Permission
from phasegate.edge.envelope import ApiError, answer


async def open_session(context: Context, request: Request) -> Response:
    """Begin: which files of the manifest are not here yet."""
    manifest = (await object_of(request)).get("manifest")
    if not isinstance(manifest, dict):
        raise ApiError(400, 10021, "The body must be {manifest: {path: {hash, size}}}")
    return answer(context.assets.open(request.path_params["script"], manifest))


async def upload_files(context: Context, request: Request) -> Response:
    """Files as parts named by their digest, base64; 201 with the completion token once all are here."""
    if request.query_params.get("base64") != "true":
        raise ApiError(400, 10021, "Assets are uploaded with ?base64=true")
    parts = read_parts(request.headers.get("content-type", ""), await request.body())
    files = {part.name: (_content_type(part.content_type), _decoded(part.data)) for part in parts}
    token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    jwt = context.assets.add(token, files)
    return answer({"jwt": jwt}, status=201 if jwt else 202)


def _content_type(sent: str) -> str:
    # How wrangler says that it does not know the type.
    return "application/octet-stream" if sent == "application/null" else sent


def _decoded(data: bytes) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise ApiError(400, 10021, f"an asset is not base64: {error}") from None


_W = "/accounts/{account}/workers"
ROUTES = (
    Route("POST", f"{_W}/scripts/{{script}}/assets-upload-session", open_session, Permission.SCRIPTS_WRITE),
    Route("POST", f"{_W}/assets/upload", upload_files, own_token=True),
)
