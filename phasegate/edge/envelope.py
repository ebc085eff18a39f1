"""Cloudflare's answer envelope: ``{success, errors, messages, result, result_info?}``."""

from typing import Any

from starlette.responses import JSONResponse


class ApiError(Exception):
    """
    A refusal in Cloudflare's shape: HTTP *status*, Cloudflare *code*, *message*.

    The codes 10165, 10194 and 10195 are this edge's own, because Cloudflare's for an
    unknown version, a wrong sum and too many versions are not published.
    """

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def answer(result: Any, *, status: int = 200, info: dict[str, Any] | None = None) -> JSONResponse:
    """A successful answer with *result*, and *info* as ``result_info`` for paged lists."""
    body: dict[str, Any] = {"success": True, "errors": [], "messages": [], "result": result}
    if info is not None:
        body["result_info"] = info
    return JSONResponse(body, status_code=status)


def page(items: list[Any]) -> JSONResponse:
    """A list that fits one page."""
    count = len(items)
    info = {"page": 1, "per_page": max(count, 20), "count": count, "total_count": count, "total_pages": 1}
    return answer(items, info=info)


def refusal(error: ApiError, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """A failed answer carrying one error."""
    body = {
        "success": False,
        "errors": [{"code": error.code, "message": error.message}],
        "messages": [],
        "result": None,
    }
    return JSONResponse(body, status_code=error.status, headers=headers)


def unrouted(path: str) -> ApiError:
    """What Cloudflare says of a path that it does not serve."""
    return ApiError(404, 7003, f"Could not route to {path}, perhaps your object identifier is invalid?")


def worker_missing(name: str) -> ApiError:
    """The error of every script endpoint when the Worker does not exist."""
    return ApiError(404, 10007, f"This Worker does not exist on your account: {name}")
