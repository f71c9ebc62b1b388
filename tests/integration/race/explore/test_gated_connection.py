"""All that a function may do with psycopg runs and is judged; what cannot be scheduled is one line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from psycopg import IsolationLevel, errors
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Scenario, SessionFunction
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore

SETUP = """
    CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0);
    CREATE TABLE log (x text);
    CREATE TABLE key (k int PRIMARY KEY);
"""


def reset(control: Connection) -> None:
    control.execute("UPDATE counter SET n = 0; DELETE FROM log; DELETE FROM key")


Play = Callable[..., Exploration]


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as connection:
        connection.execute(SETUP.encode())

    def run(function: SessionFunction, level: IsolationLevel = IsolationLevel.READ_COMMITTED) -> Exploration:
        scenario = Scenario((function, function), reset, SerialEquivalence(), level)
        return explore(database.conninfo, scenario, Bounds(limit_s=5.0))

    return run


Conn = GatedConnection
READ, WRITE = "SELECT n FROM counter WHERE id = 1", "UPDATE counter SET n = %s WHERE id = 1"


def value(connection: Conn) -> int:
    row = connection.execute(READ).fetchone()
    assert row is not None
    return int(row[0])


def plain(connection: Conn, _session: int) -> None:
    connection.execute(WRITE, (value(connection) + 1,))


def with_block(connection: Conn, session: int) -> None:
    with connection:
        plain(connection, session)


def in_pipeline(connection: Conn, session: int) -> None:
    with connection.pipeline() as pipeline:
        before = value(connection)
        pipeline.sync()
        connection.execute(WRITE, (before + 1,))


def in_savepoint(connection: Conn, session: int) -> None:
    before = value(connection)
    with connection.transaction():
        connection.execute(WRITE, (before + 1,))


def own_transaction(connection: Conn, session: int) -> None:
    with connection.transaction():
        plain(connection, session)


def raw_transaction(connection: Conn, session: int) -> None:
    connection.autocommit = True
    connection.execute("BEGIN")
    plain(connection, session)
    connection.execute("COMMIT")


def committing(connection: Conn, session: int) -> None:
    plain(connection, session)
    connection.commit()


def streaming(connection: Conn, session: int) -> None:
    with connection.cursor() as cursor:
        (row,) = list(cursor.stream(READ))
    connection.execute(WRITE, (row[0] + 1,))


def server_cursor(connection: Conn, session: int) -> None:
    with connection.cursor(name="c") as cursor:
        cursor.execute(READ)
        row = cursor.fetchone()
    assert row is not None
    connection.execute(WRITE, (row[0] + 1,))


def copying_in(connection: Conn, session: int) -> None:
    before = value(connection)
    with connection.cursor() as cursor, cursor.copy("COPY log FROM STDIN") as copy:
        for _ in range(3):
            copy.write_row(("x" * 100,))
    connection.execute(WRITE, (before + 1,))


def copying_out(connection: Conn, session: int) -> None:
    with connection.cursor() as cursor, cursor.copy(f"COPY ({READ}) TO STDOUT") as copy:
        (row,) = list(copy.rows())
    connection.execute(WRITE, (int(row[0]) + 1,))


def dict_rows(connection: Conn, session: int) -> None:
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        row = cursor.execute(READ).fetchone()
    assert row is not None
    connection.execute(WRITE, (row["n"] + 1,))


def client_cursor(connection: Conn, session: int) -> None:
    cursor = psycopg.ClientCursor(connection)
    row = cursor.execute(READ).fetchone()
    assert row is not None
    cursor.execute(WRITE, (row[0] + 1,))


def two_transactions(connection: Conn, session: int) -> None:
    before = value(connection)
    connection.commit()
    connection.execute(WRITE, (before + 1,))


def two_with_autocommit(connection: Conn, session: int) -> None:
    connection.autocommit = True
    plain(connection, session)


WAYS = [
    *(plain, with_block, in_pipeline, in_savepoint, own_transaction, raw_transaction, committing, streaming),
    *(server_cursor, copying_in, copying_out, dict_rows, client_cursor, two_transactions, two_with_autocommit),
]


@pytest.mark.parametrize("function", WAYS, ids=lambda way: way.__name__)
def test_a_lost_update_is_found_in_whichever_way_it_is_written(play: Play, function: SessionFunction) -> None:
    found = play(function)
    assert 0 < found.bad < found.schedules
    assert (found.diverged, found.left) == (0, ())


def atomically(connection: Conn, _session: int) -> None:
    connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1")


def atomic_pipeline(connection: Conn, session: int) -> None:
    with connection.pipeline():
        atomically(connection, session)
        atomically(connection, session)


def atomic_twice(connection: Conn, session: int) -> None:
    for _ in range(2):
        atomically(connection, session)
        connection.commit()


def atomic_copy(connection: Conn, session: int) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY log FROM STDIN") as copy:
        copy.write("line\n" * 100_000)


def returned_copy(connection: Conn, session: int) -> object:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO log VALUES (%s) RETURNING x", [("a",), ("b",)], returning=True)
        rows = [row for result in cursor.results() for row in result]
        cursor.executemany("UPDATE counter SET n = n + 1 WHERE id = %s", [(1,), (2,)])
        return rows, cursor.rowcount


@pytest.mark.parametrize(
    "function", [atomically, atomic_pipeline, atomic_twice, atomic_copy, returned_copy], ids=lambda way: way.__name__
)
def test_what_is_right_stays_right(play: Play, function: SessionFunction) -> None:
    found = play(function)
    assert found.bad == 0
    assert found.schedules > 1


def test_a_batch_returns_what_it_does_without_us(play: Play, database: Database) -> None:
    seen: list[object] = []
    play(lambda connection, session: seen.append(returned_copy(connection, session)))
    with psycopg.connect(database.conninfo) as own:
        seen.append(returned_copy(own, 0))  # type: ignore[arg-type]
    assert seen == [([("a",), ("b",)], 2)] * len(seen)


def test_statements_of_a_batch_are_steps(play: Play) -> None:
    """In opposite order they end in a deadlock, which a batch in one step never meets."""

    def batch(connection: Conn, session: int) -> None:
        rows = [(1,), (2,)] if session == 0 else [(2,), (1,)]
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE counter SET n = n + 1 WHERE id = %s", rows)

    assert play(batch).deadlocked > 0


def retrying(connection: Conn, session: int) -> None:
    for _ in range(5):
        try:
            plain(connection, session)
            connection.commit()
        except (errors.SerializationFailure, errors.DeadlockDetected):
            connection.rollback()
        else:
            return
    raise AssertionError("refused five times")


@pytest.mark.parametrize("level", [IsolationLevel.REPEATABLE_READ, IsolationLevel.SERIALIZABLE])
def test_a_loop_that_tries_again_is_right(play: Play, level: IsolationLevel) -> None:
    found = play(retrying, level)
    assert (found.bad, found.aborted) == (0, 0)
    assert found.schedules > 2


def test_a_loop_that_tries_again_after_a_deadlock_is_right(play: Play) -> None:
    def crosswise(connection: Conn, session: int) -> None:
        for _ in range(5):
            try:
                for row in (1, 2) if session == 0 else (2, 1):
                    connection.execute("UPDATE counter SET n = n + 1 WHERE id = %s", (row,))
                connection.commit()
            except errors.DeadlockDetected:
                connection.rollback()
            else:
                return

    found = play(crosswise)
    assert (found.bad, found.aborted) == (0, 0)


def test_a_connection_that_is_closed_loses_its_work_and_frees_its_locks(play: Play) -> None:
    def closing(connection: Conn, session: int) -> None:
        connection.execute("SELECT pg_advisory_lock(5)")
        atomically(connection, session)
        connection.close()

    found = play(closing)
    assert (found.bad, found.left) == (0, ())
    assert found.waited > 0


def by_thread(connection: Conn, session: int) -> None:
    connection.execute("SELECT 1")
    thread = threading.Thread(target=plain, args=(connection, session))
    thread.start()
    thread.join()


def by_executor(connection: Conn, session: int) -> None:
    connection.execute("SELECT 1")
    with ThreadPoolExecutor(1) as executor:
        executor.submit(plain, connection, session).result()


def only_by_thread(connection: Conn, session: int) -> None:
    thread = threading.Thread(target=plain, args=(connection, session))
    thread.start()
    thread.join()


def own_batch(connection: Conn, _session: int) -> None:
    psycopg.ClientCursor(connection).executemany("UPDATE counter SET n = n + 1 WHERE id = %s", [(1,), (2,)])


def autocommit_pipeline(connection: Conn, session: int) -> None:
    connection.autocommit = True
    with connection.pipeline():
        plain(connection, session)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # pytest has a hook of its own
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (by_thread, "session A used its connection in another thread"),
        (by_executor, "session A used its connection in another thread"),
        (only_by_thread, "session A used its connection in another thread"),
        (own_batch, "session A sent a batch over a cursor that it made by its class"),
        (autocommit_pipeline, "session A opened a pipeline on a connection in autocommit mode"),
    ],
)
def test_what_cannot_be_scheduled_is_one_line(
    play: Play, function: Callable[..., Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SubjectFailed, match=message):
        play(function)
    assert capfd.readouterr().err == ""
