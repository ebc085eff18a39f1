"""Which handler answers which method and path."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from web import HttpError, Request, Response

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the route table. A path segment such as ``:id`` matches anything."""

    method: str
    path: str
    handler: Handler
    needs_session: bool = True


class Router:
    """Finds the route of a request; a fixed path goes before one with a parameter."""

    def __init__(self, routes: tuple[Route, ...]) -> None:
        self._fixed: dict[str, dict[str, Route]] = {}
        self._open: dict[str, tuple[str, dict[str, Route]]] = {}
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        parent, _, last = route.path.rpartition("/")
        if last.startswith(":"):
            self._open.setdefault(parent, (last[1:], {}))[1][route.method] = route
        else:
            self._fixed.setdefault(route.path, {})[route.method] = route

    def match(self, request: Request) -> Route:
        """The route, with its parameter set on the request; 404 or 405 when there is none."""
        methods = self._fixed.get(request.path)
        if methods is None:
            methods = self._match_open(request)
        route = methods.get(request.method)
        if route is None:
            allowed = ", ".join(sorted(methods))
            message = f"{request.method} is not allowed on {request.path}; allowed: {allowed}"
            raise HttpError(405, "method-not-allowed", message, Allow=allowed)
        return route

    def _match_open(self, request: Request) -> dict[str, Route]:
        parent, _, value = request.path.rpartition("/")
        found = self._open.get(parent)
        if found is None or not value:
            raise HttpError(404, "not-found", f"there is nothing at {request.path}")
        name, methods = found
        request.params[name] = value
        return methods
