"""Whether what is done now takes a version back; an adapter holds up everything else sooner than that."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_taking_back: ContextVar[bool] = ContextVar("taking_back", default=False)


@contextmanager
def taking_back(really: bool = True) -> Iterator[None]:
    """What is called inside takes a version back, if *really*; so do the tasks that it begins."""
    before = _taking_back.set(really)
    try:
        yield
    finally:
        _taking_back.reset(before)


def is_taking_back() -> bool:
    """Whether the caller takes a version back."""
    return _taking_back.get()
