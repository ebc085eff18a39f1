"""A version never outlives the edge that started it."""

import ctypes
import os
import signal
import threading

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """
    Have the kernel kill this process when *parent* ends; end now if it already has.

    Raises OSError where the kernel refuses (Linux offers it since 2.1.57).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) refused")
    # The parent may have ended before the call above; then no signal will ever come.
    if os.getppid() != parent:
        os._exit(1)


def die_on_eof(lifeline: int) -> None:
    """End this process once nobody holds the other end of the pipe *lifeline*."""
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()


def _watch(lifeline: int) -> None:
    while os.read(lifeline, 4096):
        pass
    os._exit(0)
