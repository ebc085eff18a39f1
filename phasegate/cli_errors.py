"""How the program says that something went wrong: one line, no traceback, a stated exit code."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import click

from phasegate.domain.errors import FixTheInput, PhasegateError

FIX_THE_INPUT = 2
FAILED = 1

P = ParamSpec("P")
R = TypeVar("R")


def complain(error: PhasegateError) -> None:
    """Print *error* on stderr, every line with the program's name in front."""
    for line in str(error).splitlines() or [type(error).__name__]:
        click.echo(f"phasegate: {line}", err=True)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """
    Make *command* end with a message instead of a traceback.

    Exit code 2 when the person who typed it can correct it, 1 for every other error
    that phasegate raises on purpose. Other exceptions are bugs and pass through.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except PhasegateError as error:
            complain(error)
            raise SystemExit(FIX_THE_INPUT if isinstance(error, FixTheInput) else FAILED) from None

    return run
