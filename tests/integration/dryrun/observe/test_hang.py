"""A command that does not end: who waits for whom at that moment, its own sessions included."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from inboxbench.database import Connection, connect, first_row, scratch_database
from inboxbench.dryrun.observe.hang import Hang, read_hang
from inboxbench.dryrun.observe.sampler import APPLICATION
from inboxbench.server import Server


@pytest.fixture
def shop(server: Server) -> Iterator[str]:
    with scratch_database(server, "dryrun") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("CREATE TABLE orders (id int PRIMARY KEY, n int); INSERT INTO orders VALUES (1, 1)")
        yield name


def hang_of(server: Server, shop: str) -> Hang:
    with connect(server.conninfo()) as outside, connect(server.conninfo(shop), application_name=APPLICATION) as inside:
        oid = first_row(outside, "SELECT oid::bigint FROM pg_database WHERE datname = %s", (shop,))[0]
        names: dict[int, str] = dict(
            inside.execute("SELECT oid::bigint, 'public.' || relname FROM pg_class WHERE oid >= 16384")
        )
        hang = read_hang(outside, oid, names)
    assert hang is not None
    return hang


@contextmanager
def waiting(server: Server, connection: Connection, sql: str) -> Iterator[None]:
    """Run a statement that has to wait, for the length of the block."""

    def run() -> None:
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(sql)

    thread = threading.Thread(target=run)
    thread.start()
    with connect(server.conninfo()) as outside:
        blocked = "SELECT pg_blocking_pids(%s) <> '{}'"
        while not first_row(outside, blocked, (connection.info.backend_pid,))[0]:
            time.sleep(0.01)
        try:
            yield
        finally:
            outside.execute("SELECT pg_cancel_backend(%s)", (connection.info.backend_pid,))
            thread.join()


def test_a_second_connection_waits_for_the_first(server: Server, shop: str) -> None:
    with connect(server.conninfo(shop)) as first, connect(server.conninfo(shop)) as second, first.transaction():
        pid = second.info.backend_pid
        first.execute("ALTER TABLE orders ADD COLUMN total int")
        with waiting(server, second, "UPDATE orders SET n = 2"):
            hang = hang_of(server, shop)
    assert (hang.own, hang.pid, hang.relation) == (True, pid, "public.orders")
    assert "(UPDATE orders SET n = 2) waited for ROW EXCLUSIVE on public.orders" in hang.what
    assert "(ALTER TABLE orders ADD COLUMN total int) has ACCESS EXCLUSIVE" in hang.what
    assert "both are sessions of the command itself" in hang.what


@pytest.mark.parametrize(
    ("taken", "wanted", "thing"),
    [
        ("UPDATE orders SET n = 2", "UPDATE orders SET n = 3", "a row that another transaction wrote"),
        ("SELECT pg_advisory_xact_lock(7)", "SELECT pg_advisory_lock(7)", "an advisory lock"),
        ("UPDATE orders SET n = 2", "CREATE INDEX CONCURRENTLY orders_n ON orders (n)", "SHARE|transaction"),
    ],
)
def test_what_no_relation_is_at_stake_in(server: Server, shop: str, taken: str, wanted: str, thing: str) -> None:
    with connect(server.conninfo(shop)) as first, connect(server.conninfo(shop)) as second, first.transaction():
        first.execute(taken.encode())
        with waiting(server, second, wanted):
            hang = hang_of(server, shop)
    assert hang.own
    assert any(words in hang.what for words in thing.split("|"))


def test_it_waits_for_a_session_that_is_not_the_commands(server: Server, shop: str) -> None:
    other = connect(server.conninfo(shop), application_name="inboxbench dryrun traffic: pay")
    with other, connect(server.conninfo(shop)) as mine, other.transaction():
        other.execute("LOCK TABLE orders")
        with waiting(server, mine, "ALTER TABLE orders ADD COLUMN total int"):
            hang = hang_of(server, shop)
    assert not hang.own
    assert hang.what.endswith("waited for ACCESS EXCLUSIVE on public.orders, on which `pay` has ACCESS EXCLUSIVE")


def test_a_command_that_waits_for_nothing_of_the_database(server: Server, shop: str) -> None:
    assert hang_of(server, shop).what == "it has no session: it waits for something else than the database"
    with connect(server.conninfo(shop)) as mine, mine.transaction():
        mine.execute("SELECT 4711")
        hang = hang_of(server, shop)
    assert (hang.pid, hang.own) == (None, False)
    assert "the command itself stood still after" in hang.what
    assert "SELECT 4711" in hang.what
