"""Serial equivalence: known races that need no invariant to be found, and what it must not be misled by."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from psycopg import IsolationLevel
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Judge, Scenario, SessionFunction
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore, replay

RC, RR, SER = list(IsolationLevel)[1:]

SETUP = """
    CREATE TABLE counter (n int NOT NULL);
    INSERT INTO counter VALUES (0);
    CREATE TABLE duty (agent int PRIMARY KEY, online boolean NOT NULL, changed_at timestamptz);
    INSERT INTO duty VALUES (1, true), (2, true);
    CREATE TABLE log (id bigserial PRIMARY KEY, agent int NOT NULL, at timestamptz NOT NULL DEFAULT now());
    CREATE TABLE mention (log bigint NOT NULL REFERENCES log);
"""


def reset(control: Connection) -> None:
    control.execute("UPDATE counter SET n = 0; UPDATE duty SET online = true; DELETE FROM mention; DELETE FROM log")


@pytest.fixture
def play(database: Database) -> Callable[..., Exploration]:
    with database.connect() as connection:
        connection.execute(SETUP.encode())

    def run(
        function: SessionFunction,
        level: IsolationLevel = RC,
        *,
        tables: tuple[str, ...] = (),
        also: Judge | None = None,
        sessions: int = 2,
    ) -> Exploration:
        oracle = SerialEquivalence(tables, also)
        return explore(database.conninfo, Scenario((function,) * sessions, reset, oracle, level))

    return run


ScheduleRun = Callable[..., Exploration]


def number(connection: GatedConnection, query: bytes) -> int:
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def add_one(connection: GatedConnection, _session: int) -> None:
    seen = number(connection, b"SELECT n FROM counter")
    connection.execute("UPDATE counter SET n = %s", (seen + 1,))


def go_off_duty(connection: GatedConnection, session: int) -> bool:
    """Somebody has to stay: each looks, and each leaves a row of their own."""
    if number(connection, b"SELECT count(*) FROM duty WHERE online") < 2:
        return False
    connection.execute(
        "UPDATE duty SET online = false, changed_at = clock_timestamp() WHERE agent = %s", (session + 1,)
    )
    return True


def increment(connection: GatedConnection, _session: int) -> int:
    return number(connection, b"UPDATE counter SET n = n + 1 RETURNING n")


@pytest.mark.parametrize(("level", "bad", "aborted"), [(RC, 12, 0), (RR, 0, 12), (SER, 0, 12)])
def test_a_lost_update_is_no_serial_order(play: ScheduleRun, level: IsolationLevel, bad: int, aborted: int) -> None:
    found = play(add_one, level)
    assert (found.bad, found.schedules, found.aborted) == (bad, 14, aborted)


@pytest.mark.parametrize(("level", "bad", "aborted"), [(RC, 18, 0), (RR, 18, 0), (SER, 0, 18)])
def test_write_skew_is_no_serial_order(play: ScheduleRun, level: IsolationLevel, bad: int, aborted: int) -> None:
    """Only SERIALIZABLE sees it: neither writes what the other one writes."""
    found = play(go_off_duty, level)
    assert (found.bad, found.schedules, found.aborted) == (bad, 20, aborted)


def test_three_sessions_that_are_safe_are_equal_to_some_order(play: ScheduleRun) -> None:
    """Each returns the number that its place in the order gives it."""
    found = play(increment, sessions=3)
    assert (found.bad, found.schedules, found.diverged) == (0, 30, 0)
    assert found.waited > 0


def test_the_complaint_names_the_nearest_order_and_what_differs(play: ScheduleRun) -> None:
    example = play(go_off_duty).counterexample
    assert example is not None
    assert example.complaints == (
        "no order of A and B gives this; A, then B would: return False from B, not True; "
        "leave (2, true, NULL) in duty, not (2, false, <a time>)",
    )


def test_ids_and_times_do_not_mislead_it(play: ScheduleRun) -> None:
    """Numbers of a sequence and clocks differ each time, and a row that points to a new one does so too."""

    def write(connection: GatedConnection, session: int) -> dt.datetime:
        row = connection.execute("INSERT INTO log (agent) VALUES (%s) RETURNING id, at", (session,)).fetchone()
        assert row is not None
        connection.execute("INSERT INTO mention VALUES (%s)", (row[0],))
        assert isinstance(row[1], dt.datetime)
        return row[1]

    found = play(write)
    assert (found.bad, found.schedules) == (0, 20)


def test_an_id_that_is_returned_is_named(play: ScheduleRun) -> None:
    def write(connection: GatedConnection, session: int) -> int:
        row = connection.execute("INSERT INTO log (agent) VALUES (%s) RETURNING id", (session,)).fetchone()
        assert row is not None
        return int(row[0])

    with pytest.raises(SubjectFailed, match=r"something else each time.*return 3 from A, not 1.*do not return them"):
        play(write)


def test_only_the_named_tables_are_compared(play: ScheduleRun) -> None:
    assert play(add_one, tables=("duty",)).bad == 0
    assert play(add_one, tables=("duty", "counter")).bad == 12
    with pytest.raises(UsageError, match="unknown table 'counters'; did you mean 'counter'"):
        play(add_one, tables=("counters",))


def test_an_invariant_may_have_its_say_too(play: ScheduleRun) -> None:
    assert play(increment, also=lambda *_: []).bad == 0

    def never_both(_control: Connection, outcomes: object) -> list[str]:
        return ["both went on"] if str(outcomes).count("committed") == 2 else []

    with pytest.raises(SubjectFailed, match="both went on"):
        play(increment, also=never_both)


def test_who_was_refused_has_left_nothing(database: Database) -> None:
    """B is refused by the unique key, so what is there must be what A alone leaves."""
    with database.connect() as connection:
        connection.execute("CREATE TABLE taken (id int PRIMARY KEY, by_whom int NOT NULL)")

    def take(connection: GatedConnection, session: int) -> None:
        connection.execute("INSERT INTO taken VALUES (1, %s)", (session,))

    def empty(control: Connection) -> None:
        control.execute("DELETE FROM taken")

    scenario = Scenario((take, take), empty, SerialEquivalence())
    found = explore(database.conninfo, scenario)
    assert (found.bad, found.schedules, found.aborted) == (0, 4, 4)
    assert replay(database.conninfo, scenario, "AABB").complaints == ()
