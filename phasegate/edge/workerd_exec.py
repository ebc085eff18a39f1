"""``python -m phasegate.edge.workerd_exec PARENT PROGRAM ARGUMENT…``: become PROGRAM, and die with PARENT."""

import os
import resource
import sys

from phasegate.edge.worker_guard import die_with_parent


def main(arguments: list[str]) -> None:
    """Tie this process's life to the parent's, which outlasts the exec, and become the program."""
    parent, program = arguments[0], arguments[1]
    die_with_parent(int(parent))
    # A version that runs out of memory aborts; its core would be larger than all we keep.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program, arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
