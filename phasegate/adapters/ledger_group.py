"""
Group commit: writes that come while another is on its way to the disk share the next transaction.

A durable transaction costs milliseconds whatever is in it. Hundreds of releases whose interval ends in
the same second would otherwise queue for the disk one by one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from phasegate.domain.errors import LedgerBusy

# Events and leases wait for the same lock; a group must not keep them long.
MOST = 64
T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
Write = Callable[[Work[Any]], Awaitable[Any]]


@dataclass(frozen=True)
class _Given:
    key: str
    work: Work[Any]
    done: "asyncio.Future[Any]"


class Group:
    """
    Gathers writes that do no harm when they are done again; *write* runs one transaction.

    Each caller gets its own result or error, and only once its write is durable.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._waiting: list[_Given] = []
        self._draining: asyncio.Task[None] | None = None

    async def add(self, work: Work[T], *, key: str) -> T:
        """
        Run *work* in this or the next transaction; a caller that is cancelled does not take it back.

        *key* names the rows: two processes that lock many rows must do it in the same order.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Given(key, work, done))
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        return await done

    async def finish(self) -> None:
        """Wait until everything that was given is on the disk or has failed."""
        while self._draining is not None and not self._draining.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._draining])

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            try:
                await self._store(sorted(batch, key=lambda given: given.key))
            except asyncio.CancelledError:
                # Nobody may wait for ever for what is not written any more.
                for given in (*batch, *self._waiting):
                    given.done.cancel()
                self._waiting = []
                raise

    async def _store(self, batch: list[_Given]) -> None:
        async def everything(db: AsyncConnection) -> list[Any]:
            return [await given.work(db) for given in batch]

        try:
            results = await self._write(everything)
        except LedgerBusy as error:
            for given in batch:
                _fail(given, error)
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            # One of them was refused; each alone shows which.
            for given in batch:
                await self._store([given])
        else:
            for given, result in zip(batch, results, strict=True):
                if not given.done.done():
                    given.done.set_result(result)


def _fail(given: _Given, error: Exception) -> None:
    if not given.done.done():
        given.done.set_exception(error)
