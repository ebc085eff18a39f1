"""A Prefect task whose expected errors reach people as one sentence, not as a traceback."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.client.schemas.objects import State
from prefect.states import Failed

from phasegate.domain.errors import PhasegateError

P = ParamSpec("P")
R = TypeVar("R")


def step(*, name: str = "") -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """
    Make an async function a task; *name* is the template of its run's name.

    A PhasegateError makes the task run Failed with the error's own words, and is
    raised again for the calling flow. Anything else is a defect and keeps its trace.
    """

    def wrap(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @task(task_run_name=name or None)
        @wraps(function)
        async def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return await function(*args, **kwargs)
            except PhasegateError as trouble:
                return Failed(message=str(trouble), data=trouble)

        @wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            outcome: Any = await guarded(*args, **kwargs)
            if isinstance(outcome, State):
                trouble: Any = outcome.data
                raise trouble.result
            return outcome  # type: ignore[no-any-return]

        return call

    return wrap
