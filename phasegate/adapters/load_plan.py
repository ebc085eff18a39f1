"""What a load test sends: the mix of requests, how often, for how long."""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from phasegate.domain.errors import Away, FixTheInput

MAX_RATE = 5_000.0
MAX_DURATION = timedelta(hours=24)
MAX_STEADY = timedelta(days=7)
SLOT = "{slot}"
# How the program ends whose plan cannot be used; here, so that who starts it need not import what sends.
BAD_INPUT = 2


class LoadPlanError(FixTheInput):
    """A load plan or a mix file cannot be used; the message names the place and what is allowed."""


class LoadTargetAway(Away):
    """The service gave no session, or refused the requests that prepare the load."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Request(_Part):
    """
    One kind of request in a mix.

    ``{slot}`` in ``path`` and ``body`` stands for a number below ``slots``, so that writes go to a bounded
    set of things. An answer below 400, or one of ``expected``, is a success.
    """

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    path: str = Field(pattern=r"^/[^\s#]*$")
    body: Any = None
    weight: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    needs_session: bool = False
    name: str = Field(default="", description="How reports call it; by default method and path.")
    slots: int = Field(default=1, ge=1, le=1000)
    expected: tuple[int, ...] = ()

    @property
    def endpoint(self) -> str:
        """The name under which it is counted."""
        return self.name or f"{self.method} {self.path.partition('?')[0]}"


class SessionPlan(_Part):
    """
    Where tokens come from.

    Both calls are POSTs that answer ``{token, refreshToken, expiresAt}``; the refresh sends
    ``{refreshToken}``.
    """

    path: str = Field(pattern=r"^/")
    refresh_path: str = Field(pattern=r"^/")
    body: dict[str, Any] = Field(default_factory=dict)


class Mix(_Part):
    """A mix file: the requests, the session they need, and what is sent once for each slot beforehand."""

    requests: tuple[Request, ...] = Field(min_length=1, max_length=200)
    session: SessionPlan | None = None
    setup: tuple[Request, ...] = Field(default=(), max_length=50)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not sum(request.weight for request in self.requests) > 0:
            raise ValueError("at least one request must have a weight above 0")
        asking = [each.endpoint for each in (*self.requests, *self.setup) if each.needs_session]
        if asking and self.session is None:
            raise ValueError(f"{asking[0]} needs a session, and the mix does not say where to get one")
        return self


@dataclass(frozen=True)
class LoadPlan:
    """
    An open loop of requests.

    ``rate`` is starts per second, ``duration`` None means until it is stopped (at most a week).
    ``threshold`` is the latency limit that the result will be held against: it says how much lag
    of the generator itself is too much. ``timeout`` bounds one request, ``max_in_flight`` how many
    may be open; a start that finds no place is dropped and makes the result inconclusive.
    Raises LoadPlanError.
    """

    rate: float
    duration: timedelta | None
    mix: tuple[Request, ...]
    session: SessionPlan | None = None
    setup: tuple[Request, ...] = ()
    timeout: timedelta = timedelta(seconds=10)
    max_in_flight: int = 1000
    threshold: timedelta = timedelta(milliseconds=500)
    headers: tuple[tuple[str, str], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        _check(0 < self.rate <= MAX_RATE, f"rate is above 0 and at most {MAX_RATE:g} per second")
        if self.duration is not None:
            _check(timedelta(0) < self.duration <= MAX_DURATION, f"duration is at most {MAX_DURATION}")
        _check(timedelta(0) < self.timeout <= timedelta(minutes=5), "timeout is at most 5 minutes")
        _check(1 <= self.max_in_flight <= 10_000, "max_in_flight is from 1 to 10000")
        _check(self.threshold > timedelta(0), "threshold is above 0")
        try:
            Mix(requests=self.mix, session=self.session, setup=self.setup)
        except ValidationError as error:
            raise LoadPlanError(_reasons("mix", error)) from error

    @property
    def starts(self) -> int:
        """How many requests are started at most."""
        return max(1, round(self.rate * (self.duration or MAX_STEADY).total_seconds()))


def read_mix(path: Path) -> Mix:
    """Read a mix from a JSON file. Raises LoadPlanError."""
    try:
        return Mix.model_validate(json.loads(path.read_text()))
    except OSError as error:
        raise LoadPlanError(f"{path}: the mix cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise LoadPlanError(_reasons(str(path), error)) from error
    except ValueError as error:
        raise LoadPlanError(f"{path}: the mix is not JSON: {error}") from error


def plan_from_file(
    path: Path, *, rate: float, duration: timedelta | None, threshold: timedelta, headers: dict[str, str]
) -> LoadPlan:
    """The plan that sends the mix of a file. Raises LoadPlanError."""
    mix = read_mix(path)
    return LoadPlan(
        rate=rate,
        duration=duration,
        mix=mix.requests,
        session=mix.session,
        setup=mix.setup,
        threshold=threshold,
        headers=tuple(headers.items()),
    )


def _check(holds: bool, rule: str) -> None:
    if not holds:
        raise LoadPlanError(f"load plan: {rule}")


def _reasons(where: str, error: ValidationError) -> str:
    return "\n".join(
        f"{where}: {'.'.join(map(str, each['loc'])) or 'mix'}: {each['msg']}" for each in error.errors()
    )
