"""
One connection holds SQLite's lock, and commits from the event loop while another waits for the lock.

The waiting one has a cursor whose statement failed; it is collected on the event loop's thread.
``python failed_cursor.py FILE plain|guarded execute|executemany`` prints what the waiting one was told.
"""

import asyncio
import gc
import sqlite3
import sys

import aiosqlite

from phasegate.adapters.sqlite_cursors import close_failed_cursors

PATIENCE = 1000


async def main(file: str, method: str) -> str:
    """Answer ``inserted``, or the error of the one that waited."""
    async with (
        aiosqlite.connect(file, isolation_level=None) as holder,
        aiosqlite.connect(file, isolation_level=None, timeout=0) as waiter,
    ):
        await holder.execute("PRAGMA journal_mode=WAL")
        await holder.execute("CREATE TABLE t (x)")
        await holder.execute("BEGIN IMMEDIATE")
        cursor = await waiter.cursor()
        try:
            if method == "execute":
                await cursor.execute("INSERT INTO t VALUES (1)")
            else:
                await cursor.executemany("INSERT INTO t VALUES (?)", [(1,)])
        except sqlite3.OperationalError:
            pass
        else:
            return "the first statement should have failed"
        await waiter.execute(f"PRAGMA busy_timeout={PATIENCE}")
        begun = asyncio.Event()
        loop = asyncio.get_running_loop()
        await waiter.set_trace_callback(lambda _: loop.call_soon_threadsafe(begun.set))
        waiting = asyncio.create_task(waiter.execute("INSERT INTO t VALUES (2)"))
        await begun.wait()
        del cursor
        gc.collect()
        await holder.execute("COMMIT")
        try:
            await waiting
        except sqlite3.OperationalError as error:
            return str(error)
        return "inserted"


if __name__ == "__main__":
    if sys.argv[2] == "guarded":
        close_failed_cursors()
    print(asyncio.run(main(sys.argv[1], sys.argv[3])))
