"""Blocks by file and through the connection: the same rows, and a file only where the server may read it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.seed.binary.fields import Number, encode, ids, listed
from inboxbench.seed.load.worker import reads_files, send, send_file
from inboxbench.server import Server

COUNT = 5_000
ROWS = encode([Number(ids(0, COUNT))], [listed([f"строка {n}" * (n % 7) for n in range(COUNT)])])


@pytest.fixture
def connection(server: Server) -> Iterator[Connection]:
    with scratch_database(server, "sending") as name, connect(server.conninfo(name)) as opened:
        opened.execute("CREATE TABLE line (id bigint, body text)")
        yield opened


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where another user may look: pytest's own folders are closed to the server."""
    with tempfile.TemporaryDirectory(prefix="inboxbench_sending_", dir="/tmp") as name:
        yield Path(name)


def stored(connection: Connection) -> object:
    return connection.execute("SELECT count(*), md5(string_agg(line::text, '|' ORDER BY id)) FROM line").fetchone()


def test_both_ways_store_the_same_rows(connection: Connection, folder: Path) -> None:
    send(connection, "line", ("id", "body"), ROWS, slice_size=1_000)
    through = stored(connection)
    connection.execute("TRUNCATE line")
    assert reads_files(connection, folder)
    send_file(connection, "line", ("id", "body"), ROWS, folder)
    assert stored(connection) == through
    assert through == (COUNT, through[1])  # type: ignore[index]
    assert list(folder.iterdir()) == []


def test_a_broken_block_leaves_no_file_and_no_row(connection: Connection, folder: Path) -> None:
    assert reads_files(connection, folder)
    with pytest.raises(psycopg.DatabaseError):
        send_file(connection, "line", ("id", "body"), np.ascontiguousarray(ROWS[:-3]), folder)
    assert list(folder.iterdir()) == []
    assert stored(connection) == (0, None)


def test_a_role_that_may_not_read_files_sends_through_the_connection(connection: Connection, folder: Path) -> None:
    connection.execute("CREATE ROLE sender")
    try:
        connection.execute("SET ROLE sender")
        assert not reads_files(connection, folder)
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE sender")
    assert list(folder.iterdir()) == []
