"""Reduced and whole explorations agree: counts, and the set of what schedules come to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from psycopg import IsolationLevel

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import LEVELS, Bounds, Outcome, Scenario
from inboxbench.race.explore.run import Explorer, open_explorer
from inboxbench.race.explore.user_code import Script, reset_by
from inboxbench.server import Server

SETUP = """
    CREATE TABLE a (id int PRIMARY KEY, n int, u int UNIQUE);
    CREATE TABLE b (id int PRIMARY KEY, n int);
    CREATE TABLE s (id serial PRIMARY KEY, n int);
    CREATE TABLE child (id int PRIMARY KEY, a_id int REFERENCES a);
    CREATE TABLE seen (id int PRIMARY KEY, n int);
    CREATE TABLE log (n int);
    CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO log SELECT sum(n) FROM b; RETURN NULL; END $$;
    CREATE TRIGGER t AFTER UPDATE ON seen FOR EACH ROW EXECUTE FUNCTION count_rows();
"""
RESET = """
    TRUNCATE a, b, s, child, seen, log RESTART IDENTITY CASCADE;
    INSERT INTO a VALUES (1, 0, 1), (2, 0, 2), (3, 0, 3); INSERT INTO b VALUES (1, 0), (2, 0);
    INSERT INTO seen VALUES (1, 0);
"""
TABLES = ("a", "b", "s", "child", "seen", "log")
# {i}: a row; {s}: the session, from 1.
STATEMENTS = (
    "SELECT n FROM a WHERE id = {i}",
    "SELECT n FROM a WHERE id = {i} FOR UPDATE",
    "SELECT n FROM a WHERE id = {i} FOR SHARE",
    "UPDATE a SET n = n + 1 WHERE id = {i}",
    "UPDATE a SET n = {s} WHERE n = 0 AND id = {i}",
    "UPDATE a SET n = (SELECT max(n) FROM b) + 1 WHERE id = {i}",
    "UPDATE a SET u = 10 + {s} WHERE id = {i}",
    "DELETE FROM a WHERE id = {i}",
    "INSERT INTO a VALUES (10 + {i}, 0, 10 + {i}) ON CONFLICT DO NOTHING",
    "INSERT INTO a (id, n, u) VALUES (2{i}, 0, 20)",
    "SELECT sum(n) FROM a",
    "SELECT id FROM a WHERE n = 0 LIMIT 1 FOR UPDATE SKIP LOCKED",
    "UPDATE b SET n = n + 1 WHERE id = {i}",
    "SELECT n FROM b WHERE id = {i}",
    "INSERT INTO s (n) VALUES ({s})",
    "SELECT count(*) FROM s",
    "INSERT INTO child VALUES (100 * {s} + {i}, {i})",
    "UPDATE seen SET n = n + 1 WHERE id = 1",
    "SELECT pg_advisory_xact_lock({i})",
    "WITH changed AS (UPDATE b SET n = n + 1 WHERE id = {i} AND n = 0 RETURNING n) SELECT n FROM changed",
    "UPDATE a SET n = b.n + 1 FROM b WHERE a.id = {i} AND b.id = 1",
    "INSERT INTO a SELECT 30 + {i}, n, NULL FROM b WHERE id = 1 ON CONFLICT (id) DO UPDATE SET n = excluded.n",
)


@pytest.fixture(scope="module")
def explorer(server: Server) -> Iterator[Explorer]:
    with scratch_database(server, "reduce") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as connection:
            connection.execute(SETUP.encode())
        with open_explorer(conninfo) as opened:
            yield opened


Function = Callable[[GatedConnection, int], Any]


def session(statements: Sequence[str], *, alone: bool) -> Function:
    """Return a function that executes the statements, each by itself or all in one transaction."""

    def run(connection: GatedConnection, _number: int) -> list[Any]:
        connection.autocommit = alone
        cursors = (connection.execute(statement.encode()) for statement in statements)
        return [cursor.fetchall() if cursor.description else cursor.rowcount for cursor in cursors]

    return run


def program(seed: int) -> tuple[list[Function], IsolationLevel, str]:
    """Return the sessions of a random program and its level; the same for each seed."""
    chance = random.Random(seed)
    sessions = chance.choice([2, 2, 2, 3])
    functions, texts = [], []
    for number in range(sessions):
        lengths = [1, 2, 3] if sessions == 2 else [1, 1, 2]
        statements = [
            chance.choice(STATEMENTS).format(i=chance.choice([1, 1, 2]), s=number + 1)
            for _ in range(chance.choice(lengths))
        ]
        functions.append(session(statements, alone=chance.random() < 0.2))
        texts.append("; ".join(statements))
    level = chance.choice(list(LEVELS.values()))
    return functions, level, f"{seed} at {level.name}: {' | '.join(texts)}"


Came = set[tuple[str, str]]


def explored(
    explorer: Explorer, functions: Sequence[Function], level: IsolationLevel, *, whole: bool
) -> tuple[tuple[Any, ...], Came, int]:
    """Return the counts of an exploration, all that schedules came to, and how many were played."""
    came: Came = set()

    def judge(control: Connection, outcomes: Sequence[Outcome]) -> list[str]:
        rows = [control.execute(f"SELECT * FROM {table} ORDER BY 1".encode()).fetchall() for table in TABLES]
        came.add((repr(rows), repr([(o.kind, o.value, o.sqlstate) for o in outcomes])))
        return []

    scenario = Scenario(tuple(functions), reset_by(Script(RESET, "reset")), judge, level)
    found = explorer.explore(scenario, Bounds(whole=whole))
    counts = replace(found, played=0, counterexample=None, left=())
    return (counts,), came, found.played


def agree(explorer: Explorer, seed: int) -> tuple[int, int]:
    """Compare both explorations of a program; return how many schedules each played."""
    functions, level, text = program(seed)
    reduced, came, played = explored(explorer, functions, level, whole=False)
    whole, really_came, all_played = explored(explorer, functions, level, whole=True)
    assert reduced == whole, text
    assert came == really_came, text
    return played, all_played


@pytest.mark.parametrize("seed", range(8))
def test_reduced_and_whole_explorations_agree(explorer: Explorer, seed: int) -> None:
    played, all_played = agree(explorer, seed)
    assert played <= all_played


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 500))
def test_500_programs_agree(explorer: Explorer, seed: int) -> None:
    agree(explorer, seed)


def own_row(connection: GatedConnection, session: int) -> None:
    for _ in range(3):
        connection.execute("UPDATE a SET n = n + 1 WHERE id = %s", (session + 1,))


@pytest.mark.parametrize("level", [IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ])
def test_sessions_that_never_meet_play_one_schedule(explorer: Explorer, level: IsolationLevel) -> None:
    scenario = Scenario((own_row,) * 3, reset_by(Script(RESET, "reset")), lambda _control, _outcomes: [], level)
    found = explorer.explore(scenario)
    assert (found.schedules, found.played, found.complete) == (34_650, 1, True)
    assert found.overlapped == 34_650 - 6
    assert not found.vacuous


def test_what_is_not_understood_is_played_whole(explorer: Explorer) -> None:
    """A clock, a trigger, an advisory lock: their order may matter, whatever rows are named."""
    for statement in ("SELECT now()", "UPDATE seen SET n = 1 WHERE id = 1", "SELECT pg_advisory_xact_lock_shared(1)"):
        functions = [session([statement, "SELECT n FROM b WHERE id = 1"], alone=True)] * 2
        _, _, played = explored(explorer, functions, IsolationLevel.READ_COMMITTED, whole=False)
        _, _, whole = explored(explorer, functions, IsolationLevel.READ_COMMITTED, whole=True)
        assert played > 1
        assert whole >= played


def test_a_bound_says_in_one_number_what_it_leaves_out(explorer: Explorer) -> None:
    def add(connection: GatedConnection, _session: int) -> None:
        connection.execute("SELECT sum(n) FROM a")
        connection.execute("UPDATE a SET n = n + 1 WHERE id = 1")

    scenario = Scenario((add, add), reset_by(Script(RESET, "reset")), lambda _control, _outcomes: [])
    found = explorer.explore(scenario, Bounds(schedules=2))
    assert (found.played, found.complete) == (2, False)
    assert found.uncovered == found.permutations - found.schedules > 0
