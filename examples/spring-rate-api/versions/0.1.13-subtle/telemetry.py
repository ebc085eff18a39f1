"""What this instance has served since it started, with a trace of a few requests."""

import json

from web import Request, Response

API = "/api/"
TRACE_EVERY = {"production": 200}


class Counter:
    """Answers given by this instance, and those under /api/."""

    served = 0
    api = 0


def observe(request: Request, response: Response) -> None:
    """Count one answer and trace one API request in so many; staging traces none."""
    Counter.served += 1
    if not request.path.startswith(API):
        return
    Counter.api += 1
    every = TRACE_EVERY.get(request.env.ENVIRONMENT)
    if every is not None and Counter.api % every == 0:
        _trace(request, response)


def _trace(request: Request, response: Response) -> None:
    # The defect: a set has no JSON, so the trace fails, and the request that was well answered with it.
    names = {name.decode("latin-1") for name, _ in request.headers}
    print(json.dumps({"path": request.path, "status": response.status, "headers": names}))


def served() -> int:
    """How many requests this instance has answered."""
    return Counter.served
