"""
Many processes that write one ledger at once: ``python -m tests.ledger_writers URL WRITERS ROWS``.

Every writer prints one JSON line: its process and the event numbers it won. With one
writer each number is printed as soon as the ledger acknowledged it.
"""

import asyncio
import json
import os
import sys

from phasegate.adapters.ledger_sql import SqlLedger
from phasegate.domain.errors import Superseded
from phasegate.domain.events import Noted
from tests.ledger_cases import T0, opened

_LIMIT = 60.0


async def write(url: str, rows: int, *, tell: bool) -> list[int]:
    """Append until the release has *rows* events; the numbers that this writer won."""
    ledger = SqlLedger(url)
    await ledger.ready()
    await ledger.open("r1", opened(), by="ada", at=T0)
    won: list[int] = []
    try:
        async with asyncio.timeout(_LIMIT):
            while (last := (await ledger.events("r1"))[-1].seq) < rows:
                won += await _try(ledger, last, tell=tell)
    finally:
        await ledger.close()
    return won


async def _try(ledger: SqlLedger, last: int, *, tell: bool) -> list[int]:
    event = Noted(text=f"after {last}")
    try:
        row = await ledger.append("r1", event, by=f"writer-{os.getpid()}", at=T0, expected=last)
    except Superseded:
        return []
    if tell:
        print(row.seq, flush=True)
    return [row.seq]


def main(url: str, writers: int, rows: int) -> int:
    """Fork the writers, which start together; 0 when all of them ended well."""
    opened()
    children = _fork(writers) if writers > 1 else []
    if 0 in children or writers == 1:
        won = asyncio.run(write(url, rows, tell=writers == 1))
        os.write(1, (json.dumps({"writer": os.getpid(), "won": won}) + "\n").encode())
        return 0
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def _fork(writers: int) -> list[int]:
    children: list[int] = []
    for _ in range(writers):
        children.append(os.fork())
        if children[-1] == 0:
            break
    return children


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
