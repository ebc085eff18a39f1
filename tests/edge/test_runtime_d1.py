"""The D1 binding, through the same socket a running version uses."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from runtime_d1 import Engine, an_engine

from phasegate.edge.worker_d1 import D1Connection, D1Database, D1Error, split_script


@pytest.fixture
async def engine_at() -> AsyncIterator[tuple[Engine, str]]:
    # pytest's own directories are too deep for the path of a Unix socket.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "d1.sock"
        async with an_engine(path) as engine:
            yield engine, str(path)


@pytest.fixture
async def db(engine_at: tuple[Engine, str]) -> D1Database:
    database = D1Database(D1Connection(engine_at[1]), "5d1f")
    await database.exec(
        "CREATE TABLE rates (id INTEGER PRIMARY KEY, wire REAL); INSERT INTO rates (wire) VALUES (2.5)"
    )
    return database


async def test_rows_come_as_cloudflare_gives_them(db: D1Database):
    """
    A Worker written for the edge must run on Cloudflare unchanged.
    """
    insert = await db.prepare("INSERT INTO rates (wire) VALUES (?)").bind(3.5).run()
    everything = db.prepare("SELECT id, wire FROM rates ORDER BY id")

    assert (insert.success, insert.meta["changes"], insert.meta.changes) == (True, 1, 1)
    assert (await everything.all()).results == [{"id": 1, "wire": 2.5}, {"id": 2, "wire": 3.5}]
    assert await everything.first() == {"id": 1, "wire": 2.5}
    assert await everything.first("wire") == 2.5
    assert await everything.raw(column_names=True) == [["id", "wire"], [1, 2.5], [2, 3.5]]
    assert await db.prepare("SELECT 1 FROM rates WHERE id = ?").bind(9).first() is None


async def test_a_batch_is_all_or_nothing(db: D1Database):
    """
    D1's batch is one transaction.
    """
    insert = db.prepare("INSERT INTO rates (id, wire) VALUES (?, ?)")

    with pytest.raises(D1Error, match=r"^D1_ERROR: UNIQUE constraint failed"):
        await db.batch([insert.bind(7, 1.0), insert.bind(7, 1.0)])

    assert await db.prepare("SELECT COUNT(*) AS n FROM rates").first("n") == 1


async def test_many_queries_share_one_connection(db: D1Database, engine_at: tuple[Engine, str]):
    """
    A connection for each query would cost more than the query.
    """
    numbers = range(200)

    answers = await asyncio.gather(*(db.prepare("SELECT ? AS n").bind(n).first("n") for n in numbers))

    assert answers == list(numbers)
    assert engine_at[0].connections == 1


async def test_a_lost_connection_is_opened_again(db: D1Database, engine_at: tuple[Engine, str]):
    """
    The edge may restart under a running version.
    """
    engine_at[0].writers[0].transport.abort()

    answers = [await asked(db) for _ in range(20)]

    assert answers[-1] == 1
    assert set(answers) <= {1, "D1_ERROR: the connection to the database was lost"}
    assert engine_at[0].connections == 2


async def asked(db: D1Database) -> object:
    """One answer, or the error's words."""
    try:
        return await db.prepare("SELECT 1 AS n").first("n")
    except D1Error as error:
        return str(error)


async def test_an_engine_that_is_away_is_an_error_of_the_database(tmp_path: Path):
    """
    The Worker's own error handling must see it as such.
    """
    database = D1Database(D1Connection(str(tmp_path / "nobody.sock")), "5d1f")

    with pytest.raises(D1Error, match=r"^D1_ERROR: the database cannot be reached"):
        await database.prepare("SELECT 1").all()


async def test_values_that_d1_does_not_store_are_refused(db: D1Database):
    """
    With Cloudflare's word for it.
    """
    with pytest.raises(D1Error, match=r"^D1_TYPE_ERROR: Type 'list'"):
        db.prepare("SELECT ?").bind([1])  # type: ignore[arg-type]


def test_a_script_divides_only_between_statements():
    """
    A semicolon in a string or in a trigger divides nothing.
    """
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = 1; DELETE FROM b; END"

    assert split_script("SELECT ';'; SELECT 2;\n") == ["SELECT ';';", "SELECT 2;"]
    assert split_script(trigger) == [f"{trigger};"]
    assert split_script(" ;; ") == []
