"""Queues by SKIP LOCKED under serial equivalence: each item at most once, none lost, and nothing else is forgiven."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Scenario, SessionFunction
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore

SETUP = """
    CREATE TABLE jobs (id int PRIMARY KEY, holder int);
    INSERT INTO jobs SELECT n FROM generate_series(1, 4) n;
    CREATE TABLE done (n int NOT NULL);
    INSERT INTO done VALUES (0);
"""
TAKE = "SELECT id FROM jobs WHERE holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
Conn = GatedConnection
Play = Callable[..., Exploration]


def reset(control: Connection) -> None:
    control.execute("TRUNCATE jobs; INSERT INTO jobs SELECT n FROM generate_series(1, 4) n; UPDATE done SET n = 0")


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as control:
        control.execute(SETUP.encode())

    def run(function: SessionFunction, preemptions: int | None = 2, deaths: int = 0) -> Exploration:
        scenario = Scenario((function, function), reset, SerialEquivalence())
        return explore(database.conninfo, scenario, Bounds(preemptions=preemptions, deaths=deaths, limit_s=3.0))

    return run


def claim(connection: Conn, session: int) -> int | None:
    row = connection.execute(TAKE).fetchone()
    if row is not None:
        connection.execute("UPDATE jobs SET holder = %s WHERE id = %s", (session, row[0]))
    return row[0] if row else None


def claim_twice(connection: Conn, session: int) -> list[Any]:
    """Items 1 and 3, 2 and 4 in some schedules: no serial order gives that, and a queue may."""
    taken = []
    for _ in range(2):
        taken.append(claim(connection, session))
        connection.commit()
    return taken


def look_and_leave(connection: Conn, session: int) -> list[Any]:
    """The other one finds the second item while this one looks at the first, and leaves it there."""
    row = connection.execute(TAKE).fetchone()
    if session == 0:
        connection.execute("SELECT 1")
        return []
    connection.execute("DELETE FROM jobs WHERE id = %s", row)
    return list(row or [])


def in_one_statement(connection: Conn, session: int) -> list[Any]:
    taken = []
    for _ in range(2):
        statement = f"UPDATE jobs SET holder = %s WHERE id = ({TAKE}) RETURNING id"
        taken.append(connection.execute(statement.encode(), (session,)).fetchone())
        connection.commit()
    return taken


@pytest.mark.parametrize(
    "function", [claim, claim_twice, look_and_leave, in_one_statement], ids=lambda way: way.__name__
)
def test_a_queue_is_right(play: Play, function: SessionFunction) -> None:
    found = play(function)
    assert found.bad == 0
    assert found.schedules > 2


def test_a_worker_that_dies_loses_no_item(play: Play) -> None:
    assert play(claim, deaths=1).bad == 0


def given_back_too_early(connection: Conn, session: int) -> int | None:
    """The lock is gone before the item is marked, so two may take it."""
    row = connection.execute(TAKE).fetchone()
    connection.commit()
    if row is not None:
        connection.execute("UPDATE jobs SET holder = %s WHERE id = %s", (session, row[0]))
    return row[0] if row else None


def counting(connection: Conn, session: int) -> int | None:
    """The queue is right, and what is counted beside it is not."""
    before = connection.execute("SELECT n FROM done").fetchone()
    assert before is not None
    item = claim(connection, session)
    connection.execute("UPDATE done SET n = %s", (before[0] + 1,))
    return item


def losing(connection: Conn, session: int) -> int | None:
    """Session A looks at an item and leaves it; B skips that one, and throws it away with its own."""
    row = connection.execute(TAKE).fetchone()
    assert row is not None
    if session == 0:
        return None
    connection.execute("DELETE FROM jobs WHERE id <= %s", row)
    return int(row[0])


@pytest.mark.parametrize("function", [given_back_too_early, counting, losing], ids=lambda way: way.__name__)
def test_what_is_no_queue_stays_bad(play: Play, function: SessionFunction) -> None:
    assert play(function).bad > 0
