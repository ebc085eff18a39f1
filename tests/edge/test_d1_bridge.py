"""D1 for running versions, over the socket that they use."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from phasegate.edge.d1_bridge import Bridge
from phasegate.edge.d1_databases import Databases
from phasegate.edge.inside import Inside
from phasegate.edge.state import State
from phasegate.edge.workerd_config import D1_HEADER


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
        "[" * 100_000,
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


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
async def test_a_number_that_sqlite_cannot_hold_fails_its_own_request_only(version, number):
    """
    The connection is that of all requests of a version: the others are answered as if it had not come.
    """
    for sent in (1, 2, number, 2**63 - 1, -(2**63)):
        version.send(sent, ("INSERT INTO notes VALUES (?)", sent))

    answers = {answer["id"]: answer for answer in [await version.answer() for _ in range(5)]}
    counted = await version.ask(("SELECT count(*) AS n FROM notes",))

    assert [sent for sent, answer in answers.items() if not answer["success"]] == [number]
    assert answers[number]["error"] == f"D1_TYPE_ERROR: Type 'bigint' not supported for value '{number}'"
    assert counted["results"][0]["results"] == [{"n": 4}]


@pytest.mark.parametrize(
    "body", ['{"sql": "SELECT ?", "params": [1000000000000000000000000000000]}', "[" * 100_000]
)
async def test_workerd_hears_of_a_request_that_cannot_be_run_too(tmp_path, body):
    """
    It reads an answer of D1 and not one of a web server.
    """
    state = State(None)
    databases = Databases(tmp_path / "d1", state)
    inside = Inside(databases, state)
    await inside.serve(tmp_path / "s")
    transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "s"))
    async with httpx.AsyncClient(transport=transport) as workerd:
        named = {D1_HEADER: databases.create("notes").id}
        answer = await workerd.post("http://inside/query", content=body, headers=named)
    await inside.close()
    await databases.close()
    state.close()

    assert answer.status_code == 200
    assert answer.json()["success"] is False
    assert answer.json()["error"]


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
