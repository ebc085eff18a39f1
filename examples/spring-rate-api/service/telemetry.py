"""What this instance has served since it started."""

from web import Request, Response

API = "/api/"


class Counter:
    """Answers given by this instance."""

    served = 0


def observe(request: Request, response: Response) -> None:
    """Count one answer."""
    Counter.served += 1


def served() -> int:
    """How many requests this instance has answered."""
    return Counter.served
