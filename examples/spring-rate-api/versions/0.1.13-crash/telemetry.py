"""What this instance has served since it started, and the memory it is thought to hold."""

import os
import sys

from web import Request, Response

API = "/api/"
MEMORY_LIMIT = 128 * 1024 * 1024
TRACE_BYTES = {"production": MEMORY_LIMIT // 40}


class Counter:
    """Answers given by this instance, and the memory of their traces."""

    served = 0
    held = 0


def observe(request: Request, response: Response) -> None:
    """Count one answer; give up before the runtime's memory limit does it for us."""
    Counter.served += 1
    # The defect: traces are counted when they are taken, and never when they are sent. Staging takes none.
    Counter.held += TRACE_BYTES.get(request.env.ENVIRONMENT, 0)
    if Counter.held > MEMORY_LIMIT - TRACE_BYTES["production"]:
        print('{"level": "error", "error": "memory limit exceeded"}', file=sys.stderr, flush=True)
        os._exit(137)


def served() -> int:
    """How many requests this instance has answered."""
    return Counter.served
