"""D1 for running versions, over the socket that they use."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from phasegate.edge.d1_bridge import Bridge
from phasegate.edge.d1_databases import Databases
from phasegate.edge.state import State


class Version:
    """The other end: what a running version sends and hears."""

    def __init__(self, reader, writer, database):
        self._reader = reader
        self._writer = writer
        self.database = database

    def send(self, number, *statements, db=None):
        """Send a request without waiting for its answer."""
        sql = [{"sql": one, "params": list(params)} for one, *params in statements]
        self.send_line(json.dumps({"id": number, "db": db or self.database, "statements": sql}))

    def send_line(self, line):
        self._writer.write(line.encode() + b"\n")

    async def answer(self):
        return json.loads(await asyncio.wait_for(self._reader.readline(), 10))

    async def ask(self, *statements, **more):
        self.send(0, *statements, **more)
        return await self.answer()


@asynccontextmanager
async def a_version():
    """A version connected to a bridge with one empty database."""
    with TemporaryDirectory() as directory:
        state = State(None)
        databases = Databases(Path(directory) / "d1", state)
        bridge = Bridge(databases)
        await bridge.serve(Path(directory) / "s")
        reader, writer = await asyncio.open_unix_connection(Path(directory) / "s")
        try:
            yield Version(reader, writer, databases.create("notes").id)
        finally:
            writer.close()
            await bridge.close()
            await databases.close()
            state.close()


@pytest.fixture
async def version():
    async with a_version() as version:
        await version.ask(("CREATE TABLE notes (text UNIQUE)",))
        yield version


async def test_a_batch_is_one_transaction(version):
    """
    `env.DB.batch` is all or nothing.
    """
    failed = await version.ask(("INSERT INTO notes VALUES (?)", "a"), ("INSERT INTO notes VALUES (?)", "a"))
    counted = await version.ask(("SELECT count(*) AS n FROM notes",))

    assert failed["success"] is False
    assert failed["error"].endswith(": SQLITE_CONSTRAINT")
    assert counted["results"][0]["results"] == [{"n": 0}]


async def test_requests_are_pipelined_and_answers_carry_their_number(version):
    """
    One connection serves all concurrent requests of a version.
    """
    for number in range(1, 101):
        version.send(number, ("INSERT INTO notes VALUES (?) RETURNING text", f"n{number}"))

    answers = {answer["id"]: answer for answer in [await version.answer() for _ in range(100)]}

    assert sorted(answers) == list(range(1, 101))
    assert all(
        answers[number]["results"][0]["results"] == [{"text": f"n{number}"}] for number in range(1, 101)
    )
    assert answers[1]["results"][0]["meta"]["rows_written"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[]",
        '{"id": 1}',
        '{"id": 1, "db": 7, "statements": [{}]}',
        '{"id": 1, "db": "x", "statements": 3}',
    ],
)
async def test_a_request_that_cannot_be_read_is_answered(version, line):
    """
    A version with a bug hears of it, and the connection lives on.
    """
    version.send_line(line)
    refused = await version.answer()

    assert refused["success"] is False
    assert refused["error"]
    assert (await version.ask(("SELECT 1 AS n",)))["success"] is True


async def test_an_unknown_database_is_named(version):
    """
    A wrong binding is found by its id.
    """
    refused = await version.ask(("SELECT 1",), db="nowhere")

    assert refused["error"] == "no database nowhere"


async def test_a_slow_query_of_one_database_does_not_hold_up_the_loop(version):
    """
    SQLite blocks its own thread, not the front door.
    """
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 400000) SELECT max(i) FROM n"
    version.send(1, (slow,))
    turns = 0
    answered = asyncio.create_task(version.answer())

    while not answered.done():
        turns += 1
        await asyncio.sleep(0.001)

    assert answered.result()["success"] is True
    assert turns > 5
