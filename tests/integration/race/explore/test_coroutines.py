"""Coroutines run as functions do: psycopg's asynchronous connections, asyncio around them, SQLAlchemy on them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy
from psycopg import IsolationLevel, errors
from sqlalchemy.ext.asyncio import AsyncSession
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.engine import async_engine_of
from inboxbench.race.explore.coroutines import GatedAsyncConnection
from inboxbench.race.explore.model import Bounds, Scenario
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.race.explore.user_code import adapt

SETUP = """
    CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0);
    CREATE TABLE log (x text);
"""
Conn = GatedAsyncConnection
Coroutine = Callable[..., Awaitable[Any]]
Play = Callable[..., Exploration]


def reset(control: Connection) -> None:
    control.execute("UPDATE counter SET n = 0; DELETE FROM log")


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as control:
        control.execute(SETUP.encode())

    def run(coroutine: Coroutine, level: IsolationLevel = IsolationLevel.READ_COMMITTED) -> Exploration:
        session = adapt(coroutine)
        return explore(
            database.conninfo, Scenario((session, session), reset, SerialEquivalence(), level), Bounds(limit_s=5.0)
        )

    return run


async def value(connection: Conn) -> int:
    row = await (await connection.execute("SELECT n FROM counter WHERE id = 1")).fetchone()
    assert row is not None
    return int(row[0])


async def plain(connection: Conn) -> None:
    before = await value(connection)
    await connection.execute("UPDATE counter SET n = %s WHERE id = 1", (before + 1,))


async def in_tasks(connection: Conn) -> None:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(plain(connection))
        tasks.create_task(asyncio.sleep(0))


async def own_transaction(connection: Conn) -> None:
    async with connection.transaction():
        await plain(connection)


async def committing(connection: Conn) -> None:
    await connection.set_autocommit(False)
    await plain(connection)
    await connection.commit()


async def with_block(connection: Conn) -> None:
    async with connection:
        await plain(connection)


async def all_else(connection: Conn) -> None:
    async with connection.pipeline(), connection.cursor() as cursor:
        rows = [row async for row in cursor.stream("SELECT n FROM counter WHERE id = 1")]
        async with cursor.copy("COPY log FROM STDIN") as copy:
            await copy.write_row(("x",))
        await cursor.executemany("UPDATE counter SET n = %s WHERE id = %s", [(rows[0][0] + 1, 1)])


async def by_sqlalchemy(connection: Conn) -> None:
    async with async_engine_of(connection).begin() as core:
        before = (await core.execute(sqlalchemy.text("SELECT n FROM counter WHERE id = 1"))).scalar_one()
        await core.execute(sqlalchemy.text("UPDATE counter SET n = :n WHERE id = 1"), {"n": before + 1})


async def by_orm_session(connection: Conn) -> None:
    async with AsyncSession(async_engine_of(connection)) as orm, orm.begin():
        before = (await orm.execute(sqlalchemy.text("SELECT n FROM counter WHERE id = 1"))).scalar_one()
        await orm.execute(sqlalchemy.text("UPDATE counter SET n = :n WHERE id = 1"), {"n": before + 1})


PLAIN = [plain, in_tasks, committing, with_block, by_sqlalchemy, by_orm_session]


@pytest.mark.parametrize("coroutine", PLAIN, ids=lambda way: way.__name__)
def test_its_schedules_are_those_of_a_function(play: Play, coroutine: Coroutine) -> None:
    """SELECT, UPDATE and COMMIT, as in `test_run`."""
    found = play(coroutine)
    assert (found.bad, found.schedules, found.permutations, found.left) == (12, 14, 20, ())


@pytest.mark.parametrize("coroutine", [own_transaction, all_else], ids=lambda way: way.__name__)
def test_a_lost_update_is_found(play: Play, coroutine: Coroutine) -> None:
    found = play(coroutine)
    assert 0 < found.bad < found.schedules


async def retrying(connection: Conn, session: int) -> int:
    while True:
        try:
            await plain(connection)
            await connection.commit()
        except errors.SerializationFailure:
            await connection.rollback()
        else:
            return session


def test_a_loop_that_tries_again_is_right(play: Play) -> None:
    found = play(retrying, IsolationLevel.REPEATABLE_READ)
    assert (found.bad, found.aborted) == (0, 0)


def test_a_refusal_within_a_group_of_tasks_is_one(play: Play) -> None:
    found = play(in_tasks, IsolationLevel.REPEATABLE_READ)
    assert (found.bad, found.aborted) == (0, 12)


async def raising(connection: Conn) -> None:
    await value(connection)
    raise ValueError("no")


async def leaving(connection: Conn) -> None:
    await value(connection)
    await asyncio.get_running_loop().run_in_executor(None, connection.gate.execute, "SELECT 1")


async def asyncpgs(connection: Any) -> None:
    await connection.fetchval("SELECT 1")


async def stuck(connection: Conn) -> None:
    await value(connection)
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("coroutine", "message"),
    [
        (raising, "session A raised ValueError: no"),
        (leaving, "session A used its connection in another thread"),
        (asyncpgs, r"fetchval\(\) is asyncpg's, and this is a psycopg.AsyncConnection"),
        (stuck, "session A was in its own code"),
    ],
)
def test_what_cannot_be_scheduled_is_one_line(play: Play, coroutine: Coroutine, message: str) -> None:
    with pytest.raises(SubjectFailed, match=message):
        play(coroutine)
