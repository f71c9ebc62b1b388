"""One way to count: statements, round trips, pages and WAL of a block."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from inboxbench.counting import CountingConnection, count_statements, totals, wal_written
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.server import Server


@pytest.fixture
def worker(server: Server) -> Iterator[CountingConnection]:
    with scratch_database(server, "counting") as name, CountingConnection.connect(server.conninfo(name)) as connection:
        connection.execute("CREATE TABLE note (id int PRIMARY KEY, body text)")
        connection.commit()
        yield connection


def test_begin_is_no_round_trip_of_its_own_and_commit_is(worker: CountingConnection) -> None:
    before = worker.trips
    worker.execute("SELECT 1")
    worker.execute("SELECT 2")
    worker.commit()
    assert worker.trips - before == 3


def test_a_write_touches_pages_and_writes_wal_and_a_read_writes_none(worker: CountingConnection) -> None:
    with connect(worker.info.dsn) as observer:
        empty = totals(worker, observer)
        worker.execute("INSERT INTO note SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n")
        worker.commit()
        written = totals(worker, observer)
        worker.execute("SELECT count(body) FROM note").fetchone()
        read = totals(worker, observer)
    assert written.buffers - empty.buffers > 1000
    assert written.wal_bytes - empty.wal_bytes > 100_000
    assert read.buffers > written.buffers


def test_statements_are_counted_with_their_text(server: Server) -> None:
    with connect(server.conninfo(), autocommit=True) as connection:
        with count_statements(connection) as counted:
            for _ in range(3):
                connection.execute("SELECT 1")
            connection.execute(sql.SQL("SELECT {}").format(sql.Literal(2)))
        connection.execute("SELECT 3")
    assert counted.sent == ["SELECT 1"] * 3 + ["SELECT 2"]
    assert counted.listed().splitlines()[0].split() == ["3", "×", "SELECT", "1"]


def test_a_session_knows_its_own_wal(server: Server) -> None:
    with scratch_database(server, "counting") as name, connect(server.conninfo(name), autocommit=True) as connection:
        _check_wal(connection)


def _check_wal(connection: Connection) -> None:
    connection.execute("CREATE TABLE note (id int)")
    before = wal_written(connection)
    connection.execute("INSERT INTO note SELECT generate_series(1, 1000)")
    assert wal_written(connection) - before > 10_000
