"""Transactions of other sessions, in other databases, of other users and prepared ones: seen, waited for, named."""

from __future__ import annotations

import os
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, PGconn
from tests.conftest import Database

from inboxbench.bench.workload.writes import WriteCost, try_writes
from inboxbench.database import (
    Connection,
    connect,
    create_database,
    drop_database,
    first_row,
    scratch_database,
)
from inboxbench.database_marks import database_name
from inboxbench.disturbance import ATTEMPTS, Watch, undisturbed, watching
from inboxbench.server import Server, server_of, start_standing, stop_standing
from inboxbench.server.handle import Embedded
from inboxbench.sqlfile import read_queries


@pytest.fixture
def other(server: Server) -> Iterator[Database]:
    """A database of somebody else's, on the same server."""
    with scratch_database(server, "other") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("CREATE TABLE things (id int)")
        yield Database(server, name)


@contextmanager
def writing(other: Database) -> Iterator[Connection]:
    """A second session in a transaction that has written."""
    with connect(other.server.conninfo(other.name), autocommit=False) as connection:
        connection.execute("INSERT INTO things VALUES (1)")
        time.sleep(0.02)  # shorter ones are left out of account
        yield connection
        with suppress(psycopg.Error):
            connection.rollback()


def measured(watch: Watch, worker: Connection) -> str | None:
    watch.look(worker, wholly=True)
    return watch.in_the_way


def test_a_writer_in_another_database_is_named_without_its_query(
    server: Server, other: Database, database: Database
) -> None:
    with watching(server) as watch, database.connect() as worker, writing(other) as theirs:
        who = undisturbed(watch, partial(measured, watch, worker), patience_s=0.2)
        assert who == f"session {theirs.info.backend_pid} of {theirs.info.user} in database {other.name}"


def test_one_that_only_reads_elsewhere_is_in_nobody_s_way(server: Server, other: Database, database: Database) -> None:
    with watching(server) as watch, database.connect() as worker, connect(other.conninfo, autocommit=False) as theirs:
        theirs.execute("SELECT count(*) FROM things")
        time.sleep(0.02)
        assert undisturbed(watch, partial(measured, watch, worker), patience_s=0.2) is None


def test_one_that_ends_in_time_is_waited_for(server: Server, other: Database, database: Database) -> None:
    lines: list[str] = []
    with watching(server, lines.append) as watch, database.connect() as worker, writing(other) as theirs:
        ending = threading.Timer(0.5, theirs.rollback)
        ending.start()
        who = undisturbed(watch, partial(measured, watch, worker), patience_s=60)
        ending.join()
        assert who is None
        session = f"session {theirs.info.backend_pid} of {theirs.info.user} in database {other.name}"
        assert lines == [f"waiting up to 60 s for {session}"]


def test_one_that_comes_meanwhile_has_it_repeated(server: Server, other: Database, database: Database) -> None:
    runs: list[str | None] = []

    def measure() -> int:
        if not runs:
            with writing(other):
                watch.look(worker, wholly=True)
        runs.append(measured(watch, worker))
        return len(runs)

    with watching(server) as watch, database.connect() as worker:
        assert undisturbed(watch, measure, patience_s=60) == 2
        assert [who is None for who in runs] == [False, True]
        runs.clear()
        undisturbed(watch, measure, once=True)
        assert len(runs) == 1


def test_one_that_comes_every_time_is_named_at_last(server: Server, other: Database, database: Database) -> None:
    runs: list[str | None] = []

    def measure() -> str | None:
        with writing(other):
            runs.append(measured(watch, worker))
        return runs[-1]

    with watching(server) as watch, database.connect() as worker:
        assert str(undisturbed(watch, measure, patience_s=60)).startswith("session ")
    assert len(runs) == ATTEMPTS


def test_who_stayed_once_is_not_waited_for_again(server: Server, other: Database, database: Database) -> None:
    with writing(other), database.connect() as worker:
        with watching(server) as watch:
            undisturbed(watch, partial(measured, watch, worker), patience_s=0.1)
        begun = time.monotonic()
        with watching(server) as watch:
            assert undisturbed(watch, partial(measured, watch, worker), patience_s=600)
        assert time.monotonic() - begun < 300


def test_who_may_see_little_sees_it_all_the_same(server: Server, other: Database, database: Database) -> None:
    """An unprivileged user is not shown since when another one's transaction lasts."""
    with connect(server.conninfo()) as admin:
        admin.execute("CREATE ROLE modest LOGIN")
    try:
        with psycopg.connect(server.conninfo(database.name), user="modest", autocommit=True) as modest:
            watch = Watch(modest)
            with database.connect() as worker:
                assert measured(watch, worker) is None
                with writing(other):
                    assert str(measured(watch, worker)).endswith(f"in database {other.name}")
    finally:
        with connect(server.conninfo()) as admin:
            admin.execute("DROP ROLE modest")


def eventually(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 30
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


@contextmanager
def feedback(server: Server, slot: str) -> Iterator[None]:
    """A standby with hot_standby_feedback = on, by what it sends: the oldest transaction that its queries may need."""
    with connect(server.conninfo()) as admin:
        oldest, at = first_row(admin, "SELECT pg_current_xact_id()::text::bigint, pg_current_wal_lsn()::text")
        standby = PGconn.connect(make_conninfo(server.conninfo(), replication="true").encode())
        try:
            asked = f"START_REPLICATION {f'SLOT {slot} ' if slot else ''}PHYSICAL {at}"
            assert standby.exec_(asked.encode()).status == ExecStatus.COPY_BOTH, standby.error_message
            epoch, number = divmod(oldest, 1 << 32)
            standby.put_copy_data(b"h" + struct.pack(">qIIII", 0, number, epoch, 0, 0))
            standby.flush()
            seen = "SELECT count(*) FROM pg_replication_slots WHERE xmin IS NOT NULL"
            if not slot:
                seen = "SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL"
            assert eventually(lambda: admin.execute(seen).fetchone() == (1,))
            yield
        finally:
            standby.finish()


def test_a_standby_that_needs_old_rows_is_named_by_its_slot_or_its_session(server: Server, database: Database) -> None:
    """A slot keeps them also when its standby is away."""

    def who() -> str:
        with watching(server) as watch, database.connect() as worker:
            return str(undisturbed(watch, partial(measured, watch, worker), patience_s=0.2))

    with feedback(server, ""):
        assert re.fullmatch(r"session \d+ of \w+ in database none", who())
    slot = f"inboxbench_test_{os.getpid()}"
    with connect(server.conninfo()) as admin:
        admin.execute("SELECT pg_create_physical_replication_slot(%s)", (slot,))
        try:
            with feedback(server, slot):
                assert who() == f"replication slot {slot}"
            assert who() == f"replication slot {slot}"
        finally:
            free = "SELECT NOT active FROM pg_replication_slots WHERE slot_name = %s"
            assert eventually(lambda: admin.execute(free, (slot,)).fetchone() == (True,))
            admin.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
    assert who() == "None"


@pytest.fixture
def churned(server: Server, tmp_path: Path) -> Iterator[tuple[Database, Path]]:
    """A table whose rows fill their pages, and an update of each."""
    (tmp_path / "touch.sql").write_text(
        "-- name: touch\n-- title: Touch a thing\n-- family: update\n"
        "-- params: id bigint\n-- classes: things\n-- order: unordered\n\n"
        "UPDATE things SET seen = seen + 1 WHERE id = :id\n",
        encoding="utf-8",
    )
    name = database_name("churned")
    create_database(server, name)
    with connect(server.conninfo(name)) as connection:
        connection.execute("CREATE TABLE things (id bigint PRIMARY KEY, seen int, body text)")
        connection.execute("INSERT INTO things SELECT n, 0, repeat('x', 300) FROM generate_series(1, 400) n")
        connection.execute("VACUUM (ANALYZE, FREEZE)")
    yield Database(server, name), tmp_path
    drop_database(server, name)


def touched(churned: tuple[Database, Path], *, apart: bool = False) -> WriteCost:
    database, folder = churned
    targets = {"things": [{"id": number} for number in range(1, 401)] * 2}
    outcomes = try_writes(database.server, database.name, read_queries(folder), targets, apart=apart)
    cost = outcomes["touch"]
    assert isinstance(cost, WriteCost)
    return cost


def test_wal_of_a_write_is_the_same_whoever_wrote_meanwhile(
    churned: tuple[Database, Path], other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault itself: under somebody's open transaction HOT falls and WAL grows; waited for, both are as before."""
    alone = touched(churned, apart=True)
    assert (alone.disturbed, alone.hot_share) == (None, 1.0)
    with writing(other) as theirs:
        ending = threading.Timer(0.3, theirs.rollback)
        ending.start()
        waited = touched(churned, apart=True)
        ending.join()
    assert (waited.disturbed, waited.hot_share, waited.wal_bytes) == (None, 1.0, alone.wal_bytes)
    monkeypatch.setattr("inboxbench.disturbance.PATIENCE_S", 0.1)
    with writing(other):
        disturbed = touched(churned, apart=True)
    assert disturbed.disturbed
    assert disturbed.hot_share is not None
    assert disturbed.hot_share < 0.9
    assert disturbed.wal_bytes > 1.2 * alone.wal_bytes


def test_no_other_write_is_in_a_figure(churned: tuple[Database, Path]) -> None:
    alone = touched(churned, apart=True)
    other = (
        (churned[1] / "touch.sql")
        .read_text("utf-8")
        .replace("touch", "fatten")
        .replace("seen = seen + 1", "body = body || 'y'")
    )
    (churned[1] / "fatten.sql").write_text(other, encoding="utf-8")
    assert touched(churned, apart=True).wal_bytes == alone.wal_bytes


def test_a_spared_database_is_as_it_was(churned: tuple[Database, Path]) -> None:
    touched(churned, apart=True)
    with churned[0].connect() as connection:
        assert connection.execute("SELECT sum(seen) FROM things").fetchone() == (0,)
    touched(churned)
    with churned[0].connect() as connection:
        assert connection.execute("SELECT sum(seen) > 0 FROM things").fetchone() == (True,)


def test_a_prepared_transaction_is_named(short_dir: Path) -> None:
    """It has no session, and outlives that of whoever made it."""
    spec, place = Embedded(), str(short_dir)
    try:
        with connect(server_of("embedded", start_standing(spec, place).cluster).conninfo()) as admin:
            admin.execute("ALTER SYSTEM SET max_prepared_transactions = 2")
        stop_standing(spec, place)
        server = server_of("embedded", start_standing(spec, place).cluster)
        with scratch_database(server, "other") as name, watching(server) as watch, connect(server.conninfo()) as worker:
            with connect(server.conninfo(name), autocommit=False) as theirs:
                theirs.execute("CREATE TABLE things ()")
                theirs.execute("PREPARE TRANSACTION 'tuesday'")
                theirs.rollback()
            time.sleep(0.02)
            who = undisturbed(watch, partial(measured, watch, worker), patience_s=0.1)
            with connect(server.conninfo(name)) as theirs:
                theirs.execute("ROLLBACK PREPARED 'tuesday'")
        assert who == f"prepared transaction tuesday of postgres in database {name}"
    finally:
        stop_standing(spec, place, remove=True)
