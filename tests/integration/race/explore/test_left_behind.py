"""Connections of a function's own, and what it keeps beyond its transactions: never a false "race-free"."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable

import asyncpg  # type: ignore[import-untyped]
import psycopg
import psycopg2  # type: ignore[import-untyped]
import pytest
import sqlalchemy
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Scenario, SessionFunction
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore

SETUP = """
    CREATE TABLE counter (n int NOT NULL);
    INSERT INTO counter VALUES (0);
    CREATE TABLE seen (what text);
    CREATE EXTENSION IF NOT EXISTS dblink;
    CREATE FUNCTION sets_one(text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.hidden', $1, false) $$;
"""


def reset(control: Connection) -> None:
    control.execute("UPDATE counter SET n = 0; DELETE FROM seen")


Play = Callable[..., Exploration]


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as connection:
        connection.execute(SETUP.encode())

    def run(*functions: SessionFunction, invariant: str = "SELECT WHERE false", deaths: int = 0) -> Exploration:
        scenario = Scenario(functions, reset, query_is_empty(invariant))
        return explore(database.conninfo, scenario, Bounds(deaths=deaths, limit_s=60.0))

    return run


def read(connection: GatedConnection) -> int:
    row = connection.execute("SELECT n FROM counter").fetchone()
    assert row is not None
    return int(row[0])


ADD = "UPDATE counter SET n = %s"


def by_psycopg(conninfo: str, value: int) -> None:
    with psycopg.connect(conninfo) as own:
        own.execute(ADD, (value,))


def by_psycopg2(conninfo: str, value: int) -> None:
    own = psycopg2.connect(conninfo)
    own.cursor().execute(ADD, (value,))
    own.commit()
    own.close()


def by_sqlalchemy(conninfo: str, value: int) -> None:
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(conninfo))
    with engine.begin() as own:
        own.execute(sqlalchemy.text("UPDATE counter SET n = :n"), {"n": value})
    engine.dispose()


def by_asyncpg(conninfo: str, value: int) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)

    async def write() -> None:
        own = await asyncpg.connect(
            host=str(parts["host"]),
            port=int(parts.get("port") or 5432),
            user=str(parts.get("user") or "postgres"),
            password=str(parts.get("password") or "") or None,
            database=str(parts["dbname"]),
            ssl=False,
        )
        await own.execute("UPDATE counter SET n = $1", value)
        await own.close()

    asyncio.run(write())


def by_thread(conninfo: str, value: int) -> None:
    thread = threading.Thread(target=by_psycopg, args=(conninfo, value))
    thread.start()
    thread.join()


def by_process(conninfo: str, value: int) -> None:
    code = f"import psycopg\nwith psycopg.connect({conninfo!r}) as own: own.execute({ADD!r}, ({value},))"
    subprocess.run([sys.executable, "-c", code], check=True)


WAYS = [by_psycopg, by_psycopg2, by_sqlalchemy, by_asyncpg, by_thread, by_process]


@pytest.mark.parametrize("write", WAYS, ids=lambda way: way.__name__)
def test_a_connection_that_is_closed_again_is_named(
    play: Play, database: Database, write: Callable[[str, int], None]
) -> None:
    """It would lose updates in life, and every schedule looks right: the reads follow on what is committed already."""

    def claim(connection: GatedConnection, _session: int) -> None:
        write(database.conninfo, read(connection) + 1)

    with pytest.raises(SubjectFailed, match="session A opened a connection of its own"):
        play(claim, claim)


def test_a_connection_that_the_server_opens_is_named(play: Play, database: Database) -> None:
    def claim(connection: GatedConnection, _session: int) -> None:
        statement = f"UPDATE counter SET n = {read(connection) + 1}"
        connection.execute("SELECT dblink_exec(%s, %s)", (database.conninfo, statement))

    with pytest.raises(SubjectFailed, match="session A opened a connection of its own"):
        play(claim, claim)


def test_a_connection_in_one_schedule_only_is_named_with_its_session(play: Play, database: Database) -> None:
    """Session B opens one when it reads what A has written and not committed yet only: never in a serial schedule."""

    def reader(connection: GatedConnection, _session: int) -> None:
        before = read(connection)
        if read(connection) != before:
            by_psycopg(database.conninfo, 7)

    def writer(connection: GatedConnection, _session: int) -> None:
        connection.execute("UPDATE counter SET n = n + 1")

    with pytest.raises(SubjectFailed, match=r"session B opened a connection of its own \(in schedule \w*ABBA?"):
        play(writer, reader)


def test_our_own_connections_raise_no_alarm(play: Play) -> None:
    """A session that died gets another one."""

    def plain(connection: GatedConnection, _session: int) -> None:
        read(connection)

    assert play(plain, plain, deaths=1).bad == 0


def took(connection: GatedConnection, key: int) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s)", (key,)).fetchone()
    return bool(row and row[0])


def test_a_lock_of_an_earlier_schedule_hides_nothing(play: Play) -> None:
    """Session A keeps the lock from its first schedule on; B does harm only when it gets it."""

    def claim(connection: GatedConnection, session: int) -> None:
        if took(connection, 99) and session == 1:
            connection.execute("UPDATE counter SET n = -1")

    with pytest.raises(SubjectFailed, match="one after another"):
        play(claim, claim, invariant="SELECT n FROM counter WHERE n < 0")


@pytest.mark.parametrize(
    ("statement", "key"),
    [("pg_advisory_lock(7)", "7"), ("pg_advisory_lock(-7)", "-7"), ("pg_advisory_lock(3, -4)", "(3, -4)")],
)
def test_a_session_that_waits_for_a_lock_left_behind_is_named_at_once(play: Play, statement: str, key: str) -> None:
    def claim(connection: GatedConnection, _session: int) -> None:
        connection.execute(f"SELECT {statement}")

    with pytest.raises(SubjectFailed) as failure:
        play(claim, claim)
    assert f"session A still holds advisory lock {key} after its end" in str(failure.value)
    assert "session B waits for ever" in str(failure.value)


def test_a_lock_left_behind_is_a_finding(play: Play) -> None:
    def claim(connection: GatedConnection, session: int) -> None:
        took(connection, 7 + session)

    assert play(claim, claim).left == (
        "session A still holds advisory lock 7 after its end",
        "session B still holds advisory lock 8 after its end",
    )


@pytest.mark.parametrize(
    ("statement", "kept"),
    [
        ("SET work_mem = '1MB'", "setting work_mem = 1024"),
        ("SELECT set_config('app.tenant', '5', false)", "setting app.tenant = 5"),
        ("SET app.tenant = '6'", "setting app.tenant = 6"),
        ("CREATE TEMP TABLE scratch (x int)", "temporary table scratch"),
        ("LISTEN news", "channel news that it listens to"),
        ("PREPARE p AS SELECT 1", "prepared statement p"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "cursor c"),
        ("SET LOCAL work_mem = '1MB'", None),
        ("SELECT pg_advisory_xact_lock(1 + pg_backend_pid())", None),
    ],
)
def test_state_begins_as_new_and_what_is_kept_is_said(play: Play, statement: str, kept: str | None) -> None:
    """Each statement but the last two fails or is seen a second time unless the session is as new."""

    def claim(connection: GatedConnection, session: int) -> None:
        connection.execute(statement.encode())

    found = play(claim, claim)
    assert (found.aborted, found.bad) == (0, 0)
    names = [f"session {letter} still has {kept} after its end" for letter in "AB"] if kept else []
    assert list(found.left) == names


def test_sessions_are_as_new_also_where_only_some_schedules_leave_something(play: Play) -> None:
    """After a schedule of plain statements a session is used as it is; after this one it must not be."""
    left = 0

    def claim(connection: GatedConnection, _session: int) -> None:
        nonlocal left
        count = read(connection)
        connection.execute(ADD, (count + 1,))
        if count:
            left += 1
            connection.execute("CREATE TEMP TABLE scratch (x int)")  # fails where it is there already

    found = play(claim, claim)
    assert (found.aborted, found.complete) == (0, True)
    assert 1 < left < found.played


@pytest.mark.parametrize(
    "statement",
    ["SELECT set_config('app.x', 'dirty', false)", "SELECT sets_one('dirty')", "SET LOCAL app.hidden = 'y'"],
)
def test_a_setting_of_its_own_is_unknown_at_each_beginning(play: Play, statement: str) -> None:
    """RESET ALL leaves it empty, where a new session has none."""
    seen: list[object] = []

    def claim(connection: GatedConnection, _session: int) -> None:
        query = "SELECT current_setting('app.x', true), current_setting('app.hidden', true)"
        seen.append(connection.execute(query).fetchone())
        connection.execute(statement.encode())

    assert play(claim, claim).schedules > 2
    assert set(seen) == {(None, None)}


def test_what_a_function_sets_on_the_connection_object_is_gone_too(play: Play) -> None:
    seen: list[tuple[object, ...]] = []

    def claim(connection: GatedConnection, _session: int) -> None:
        seen.append((connection.prepare_threshold, connection.row_factory, connection.read_only))
        connection.prepare_threshold = 0
        connection.row_factory = psycopg.rows.dict_row  # type: ignore[assignment]
        connection.execute("SELECT 1")

    play(claim, claim)
    assert len(set(seen)) == 1
