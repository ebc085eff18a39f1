"""
Starts Python versions quickly: it has imported what all of them need, and forks.

Started by the edge as ``python -m phasegate.edge.fork_server --parent PID --socket FD``. Each packet on the
socket (SOCK_SEQPACKET) asks for one process: JSON ``{"directory": "..."}`` and the descriptors of its
control socket and its standard error. The answer is ``{"pid": N}``, and once that process is gone
``{"ended": N, "code": C}``, C as in ``subprocess``: negative for a signal. What a version is configured with
goes to it alone, so its secrets are never here. The end of the socket is the end of this process, and the
kernel ends every version with it.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
from typing import Any

# What uvicorn imports by name when it starts to serve.
import httptools  # noqa: F401
import uvicorn.lifespan.on
import uvicorn.loops.uvloop
import uvicorn.protocols.http.httptools_impl  # noqa: F401

from phasegate.edge.worker_guard import die_with_parent
from phasegate.edge.worker_process import run

DESCRIPTORS = 2
PACKET = 65536
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ForkServer:
    """One thread only: a fork copies no other."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._own = (channel.fileno(), self._woken, wake)
        self._pid = os.getpid()
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Ctrl-C reaches everybody at the terminal; the edge decides who ends when.
        for number in ENDING:
            signal.signal(number, signal.SIG_IGN)

    def serve(self) -> int:
        """Fork until the edge is gone; in a version's process, run it. The exit code of either."""
        while True:
            ready, _, _ = select.select(self._own[:2], [], [])
            if self._woken in ready:
                os.read(self._woken, PACKET)
                self._report_ended()
            if self._channel.fileno() in ready:
                asked, descriptors, _, _ = socket.recv_fds(self._channel, PACKET, DESCRIPTORS)
                if not asked:
                    return 0
                if (pid := os.fork()) == 0:
                    return self._become_version(json.loads(asked)["directory"], *descriptors)
                for descriptor in descriptors:
                    os.close(descriptor)
                self._say({"pid": pid})

    def _report_ended(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._say({"ended": pid, "code": os.waitstatus_to_exitcode(status)})

    def _say(self, word: dict[str, Any]) -> None:
        self._channel.send(json.dumps(word).encode())

    def _become_version(self, directory: str, control: int, errors: int) -> int:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for number in ENDING:
            signal.signal(number, signal.SIG_DFL)
        for target, descriptor in enumerate((control, control, errors)):
            os.dup2(descriptor, target)
        for descriptor in (control, errors, *self._own):
            os.close(descriptor)
        self._channel.detach()
        os.chdir(directory)
        return run(self._pid)


def main(argv: list[str]) -> int:
    """Serve the edge; see above."""
    parent, descriptor = (int(argv[argv.index(name) + 1]) for name in ("--parent", "--socket"))
    # Its imports took a while; an edge that has ended meanwhile is seen here.
    die_with_parent(parent)
    # What is there now is shared with every version for as long as nobody writes to it.
    gc.collect()
    gc.freeze()
    return ForkServer(socket.socket(fileno=descriptor)).serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
