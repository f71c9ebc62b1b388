"""The picture of a race: what each step read and wrote, the stale read, and the cures, really explored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from psycopg import IsolationLevel

from inboxbench.database import connect, scratch_database
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Detail, Scenario
from inboxbench.race.explore.oracle import SerialEquivalence, query_is_empty
from inboxbench.race.explore.run import Explorer, open_explorer
from inboxbench.race.explore.user_code import Script, reset_by
from inboxbench.race.picture.picture import Picture, draw, page
from inboxbench.server import Server

SETUP = """
    CREATE TABLE seats (id int PRIMARY KEY, holder int, note text);
    CREATE TABLE events (id text PRIMARY KEY);
    CREATE TABLE wallet (balance int);
    CREATE TABLE orders (id serial PRIMARY KEY, coupon int);
    CREATE TABLE agents (id int PRIMARY KEY);
"""
RESET = """
    TRUNCATE seats, events, wallet, orders, agents RESTART IDENTITY;
    INSERT INTO seats VALUES (1, NULL, NULL), (2, NULL, NULL); INSERT INTO wallet VALUES (0);
    INSERT INTO agents VALUES (1);
"""


@pytest.fixture(scope="module")
def explorer(server: Server) -> Iterator[Explorer]:
    with scratch_database(server, "picture") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as connection:
            connection.execute(SETUP.encode())
        with open_explorer(conninfo) as opened:
            yield opened


Function = Callable[[GatedConnection, int], Any]


def drawn(
    explorer: Explorer, function: Function, invariant: str = "", level: IsolationLevel = IsolationLevel.READ_COMMITTED
) -> Picture:
    oracle = query_is_empty(invariant) if invariant else SerialEquivalence()
    scenario = Scenario((function, function), reset_by(Script(RESET, "reset")), oracle, level)
    found = explorer.explore(scenario)
    assert found.counterexample is not None
    return draw(explorer, scenario, found.counterexample, Bounds())


def details(picture: Picture) -> list[Detail]:
    steps = [event.detail for event in picture.example.run.events]
    assert all(steps)
    return [step for step in steps if step]


def cures(picture: Picture) -> dict[str, list[str]]:
    return {cure.what: [str(result) for result in cure.tried] for cure in picture.cures}


def take_seat(connection: GatedConnection, session: int) -> bool:
    (holder,) = connection.execute("SELECT holder FROM seats WHERE id = %s", (1,)).fetchone() or (None,)
    if holder is None:
        connection.execute("UPDATE seats SET holder = %s, note = %s WHERE id = %s", (session, "x" * 80, 1))
    return holder is None


def test_a_lost_update_shows_values_rows_and_the_version_that_was_missed(explorer: Explorer) -> None:
    picture = drawn(explorer, take_seat)
    first, *_, write = [step for step in details(picture) if step.statement != "COMMIT"]
    assert first.statement == "SELECT holder FROM seats WHERE id = 1"
    assert first.rows == ("holder=NULL",)
    assert first.stale is not None
    assert (first.stale.by, first.stale.number, first.stale.now, first.stale.used) == (1, 4, "holder=1", True)
    assert write.statement.startswith("UPDATE seats SET holder = 0, note = 'xxx")
    assert "…" in write.statement
    assert write.changes[0].startswith("seats id=1: holder 1 → 0")
    assert picture.sentence.startswith("A reads holder=NULL at step 1; after B's step 4 it is holder=1, and A writes")
    assert cures(picture) == {
        "with FOR UPDATE on step 1": [
            "0 of 6 at READ COMMITTED",
            "0 of 6 at REPEATABLE READ (4 with a refusal, to be tried again)",
        ],
        "with compare-and-set (the UPDATE asks again for what step 1 read, and 0 rows are a refusal)": [
            "0 of 14 at READ COMMITTED (12 with a refusal, to be tried again)"
        ],
        "at SERIALIZABLE, trying again after 40001": ["0 of 14 at SERIALIZABLE (12 with a refusal, to be tried again)"],
    }


def test_a_lock_that_is_older_than_the_snapshot_does_not_help_above_read_committed(explorer: Explorer) -> None:
    """A coupon that is counted: the snapshot of REPEATABLE READ is taken with the lock, so what it missed is older."""

    def use(connection: GatedConnection, _session: int) -> None:
        connection.execute("SELECT id FROM agents WHERE id = 1 FOR UPDATE")
        (used,) = connection.execute("SELECT count(*) FROM orders WHERE coupon = 1").fetchone() or (0,)
        if not used:
            connection.execute("INSERT INTO orders (coupon) VALUES (1)")

    twice = "SELECT coupon FROM orders GROUP BY coupon HAVING count(*) > 1"
    picture = drawn(explorer, use, twice, IsolationLevel.REPEATABLE_READ)
    assert "from a snapshot that is older than A's step" in picture.sentence
    assert cures(picture)["with a unique index on orders (coupon)"] == [
        "0 of 8 at REPEATABLE READ (6 with a refusal, to be tried again)"
    ]
    assert [line for line in picture.lines() if "FOR UPDATE on step" in line] == []


def test_an_event_that_is_looked_for_first_needs_the_row_count_of_its_insert(explorer: Explorer) -> None:
    def credit(connection: GatedConnection, _session: int) -> str:
        if connection.execute("SELECT 1 FROM events WHERE id = 'e'").fetchone():
            return "known"
        connection.execute("INSERT INTO events VALUES ('e') ON CONFLICT DO NOTHING")
        connection.execute("UPDATE wallet SET balance = balance + 10")
        return "credited"

    picture = drawn(explorer, credit, "SELECT balance FROM wallet WHERE balance > 10")
    tried = cures(picture)["looking at the row count of the INSERT … ON CONFLICT instead of step 1 (0 rows: refused)"]
    assert tried[0].startswith("0 of 24 at READ COMMITTED")
    assert not any("FOR UPDATE" in what for what in cures(picture))  # there is no row to lock
    assert any(step.rows == ("no row",) and step.stale for step in details(picture))


def test_the_tables_are_left_as_they_were(explorer: Explorer) -> None:
    drawn(explorer, take_seat)
    left = []

    def look(connection: GatedConnection, _session: int) -> None:
        left.extend(connection.execute("SELECT tgname FROM pg_trigger").fetchall())
        left.extend(connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'inboxbench_watch'").fetchall())
        left.extend(connection.execute("SELECT 1 FROM pg_class WHERE relname = 'inboxbench_cure'").fetchall())

    explorer.explore(Scenario((look,), reset_by(Script(RESET, "reset")), query_is_empty("SELECT 1 WHERE false")))
    assert left == []


def test_the_page_has_the_whole_picture_and_fetches_nothing(explorer: Explorer) -> None:
    text = page(drawn(explorer, take_seat), "seats:take", "12 of 14 feasible schedules break it.")
    for part in (
        "What went wrong.",
        "SELECT holder FROM seats WHERE id = 1",
        "⚠ stale: after 4 (B)",
        "What would help",
    ):
        assert part in text
    assert "http:" not in text
    assert "https" not in text
    assert "<script" not in text


def test_a_wait_and_a_deadlock_are_named(explorer: Explorer) -> None:
    def cross(connection: GatedConnection, session: int) -> None:
        for seat in (1, 2) if session == 0 else (2, 1):
            connection.execute("UPDATE seats SET holder = %s WHERE id = %s", (session, seat))

    never = query_is_empty("SELECT 1 FROM seats HAVING count(DISTINCT holder) = 1 AND min(holder) = 0")
    scenario = Scenario((cross, cross), reset_by(Script(RESET, "reset")), never)
    picture = Picture(explorer.replay(scenario, "ABAB"))
    assert any("⏳ waits for B" in line for line in picture.lines())
    assert "wait for each other; the server ends" in picture.sentence
