"""asyncpg inside a session: its own code over the session's connection, a round trip a step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from psycopg import IsolationLevel
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.engine import asyncpg_of
from inboxbench.race.explore.coroutines import GatedAsyncConnection
from inboxbench.race.explore.model import Bounds, Scenario
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.race.explore.user_code import adapt

SETUP = """
    CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0);
    CREATE TYPE mood AS ENUM ('fine');
"""
READ, WRITE = "SELECT n FROM counter WHERE id = $1", "UPDATE counter SET n = $1 WHERE id = 1"
Coroutine = Callable[..., Awaitable[Any]]
Play = Callable[..., Exploration]


def reset(control: Connection) -> None:
    control.execute("DELETE FROM counter WHERE id > 2; UPDATE counter SET n = 0")


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as control:
        control.execute(SETUP.encode())

    def run(coroutine: Coroutine, level: IsolationLevel = IsolationLevel.READ_COMMITTED) -> Exploration:
        session = adapt(coroutine)
        scenario = Scenario((session, session), reset, SerialEquivalence(), level)
        return explore(database.conninfo, scenario, Bounds(limit_s=20.0))

    return run


async def in_autocommit(connection: asyncpg.Connection) -> None:
    await connection.execute(WRITE, await connection.fetchval(READ, 1) + 1)


async def in_a_transaction(connection: "asyncpg.Connection") -> None:  # noqa: UP037 - as some write it
    async with connection.transaction():
        await in_autocommit(connection)


async def locked(given: GatedAsyncConnection) -> None:
    connection = await asyncpg_of(given)
    async with connection.transaction():
        await connection.execute(WRITE, await connection.fetchval(READ + " FOR UPDATE", 1) + 1)


async def whole_table(connection: asyncpg.Connection) -> None:
    """The second one waits before it has its first statement prepared."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE counter")
        await in_autocommit(connection)


async def tried_again(connection: asyncpg.Connection) -> None:
    while True:
        try:
            async with connection.transaction(isolation="serializable"):
                return await in_autocommit(connection)
        except asyncpg.SerializationError:
            continue


async def crosswise(connection: asyncpg.Connection, session: int) -> None:
    await connection.executemany("UPDATE counter SET n = n + 1 WHERE id = $1", [(1 + session,), (2 - session,)])


async def savepoints(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        try:
            async with connection.transaction():
                await connection.execute("INSERT INTO counter VALUES (7, 0)")
        except asyncpg.UniqueViolationError:
            await connection.execute("UPDATE counter SET n = n + 1 WHERE id = 7")


async def cursor(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        async for row in connection.cursor("SELECT id, n FROM counter ORDER BY id", prefetch=1):
            await connection.execute("UPDATE counter SET n = $1 WHERE id = $2", row["n"] + 1, row["id"])


async def copied(connection: asyncpg.Connection) -> list[bytes]:
    await connection.copy_records_to_table("counter", records=[(9, 5)])
    blocks: list[bytes] = []

    async def take(block: bytes) -> None:
        blocks.append(bytes(block))

    await connection.copy_from_query("SELECT n FROM counter WHERE id = 9", output=take)
    return blocks


async def left_open(connection: asyncpg.Connection) -> None:
    await connection.transaction().start()
    await connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1")


async def closed(connection: asyncpg.Connection) -> None:
    await left_open(connection)
    await connection.close()


async def own_types(connection: asyncpg.Connection) -> None:
    assert await connection.fetchval("SELECT '{fine}'::mood[]") == ["fine"]
    await in_autocommit(connection)


@pytest.mark.parametrize(
    ("coroutine", "bad", "schedules"),
    [
        (in_autocommit, 4, 6),
        (in_a_transaction, 12, 14),
        (locked, 0, 6),
        (whole_table, 0, 8),
        (tried_again, 0, 50),
        (crosswise, 4, 6),
        (savepoints, 0, 24),
        (cursor, 48, 50),
        (copied, 0, 14),
        (left_open, 0, 4),
        (closed, 0, 4),
        (own_types, 12, 20),
    ],
)
def test_asyncpg_is_explored_as_it_stands(play: Play, coroutine: Coroutine, bad: int, schedules: int) -> None:
    found = play(coroutine)
    assert (found.bad, found.schedules, found.diverged, found.left) == (bad, schedules, 0, ())


def test_a_schedule_shows_its_values_and_errors(play: Play) -> None:
    example = play(crosswise).counterexample
    assert example is not None
    assert [event.status for event in example.run.events if "deadlock" in event.status] == [
        "error 40P01: deadlock detected"
    ]
    example = play(in_a_transaction).counterexample
    assert example is not None
    assert example.run.events[0].text == "SELECT n FROM counter WHERE id = 1"


async def no_such_column(connection: asyncpg.Connection) -> None:
    await connection.fetch("SELECT nothing FROM counter")


def test_what_fails_is_named(play: Play) -> None:
    with pytest.raises(SubjectFailed, match='raised UndefinedColumnError: column "nothing" does not exist'):
        play(no_such_column)


def test_a_session_may_die_in_the_middle_of_a_statement(database: Database) -> None:
    with database.connect() as control:
        control.execute(SETUP.encode())
    scenario = Scenario((adapt(in_autocommit),) * 2, reset, SerialEquivalence())
    found = explore(database.conninfo, scenario, Bounds(limit_s=20.0, deaths=1))
    assert found.complete
    assert found.schedules > 6
