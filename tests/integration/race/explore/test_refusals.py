"""Refusals in a real exploration: by the database, by an ORM, by the application; and rollbacks that nobody sees."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy
from psycopg import errors
from sqlalchemy.orm import Session
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.engine import engine_of
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Scenario, SessionFunction
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.refusals import Refused
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.testing import Refused as ExportedRefused

SETUP = """
    CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL);
    INSERT INTO counter VALUES (1, 0), (2, 0);
    CREATE TABLE key (k int PRIMARY KEY);
"""


def reset(control: Connection) -> None:
    control.execute("UPDATE counter SET n = 0; DELETE FROM key")


Play = Callable[..., Exploration]


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as connection:
        connection.execute(SETUP.encode())

    def run(
        function: SessionFunction, *, refusals: tuple[str, ...] = (), fail_on: tuple[str, ...] | None = None
    ) -> Exploration:
        scenario = Scenario((function, function), reset, SerialEquivalence(), refusals=refusals)
        if fail_on is not None:
            scenario = Scenario((function, function), reset, SerialEquivalence(), fail_on=fail_on)
        return explore(database.conninfo, scenario, Bounds(limit_s=5.0))

    return run


def opposite(connection: GatedConnection, session: int) -> None:
    for row in (1, 2) if session == 0 else (2, 1):
        connection.execute("UPDATE counter SET n = n + 1 WHERE id = %s", (row,))


def test_a_deadlock_is_bad_unless_somebody_says_otherwise(play: Play) -> None:
    found = play(opposite)
    assert found.bad == found.deadlocked == found.failed_on["deadlock"] > 0
    assert found.counterexample is not None
    ((word, sentence),) = found.counterexample.run.failures
    assert word == "deadlock"
    assert sentence.endswith("was ended by a deadlock (40P01)")
    assert play(opposite, fail_on=()).bad == 0


def plain_insert(connection: GatedConnection, _session: int) -> None:
    if connection.execute("SELECT FROM key WHERE k = 1").fetchone() is None:
        connection.execute("INSERT INTO key VALUES (1)")


def orm_insert(connection: GatedConnection, _session: int) -> None:
    with Session(engine_of(connection)) as orm:
        if orm.execute(sqlalchemy.text("SELECT 1 FROM key WHERE k = 1")).first() is None:
            orm.execute(sqlalchemy.text("INSERT INTO key VALUES (1)"))
        orm.commit()


def wrapping(connection: GatedConnection, session: int) -> None:
    try:
        plain_insert(connection, session)
    except errors.UniqueViolation as error:
        raise RuntimeError("somebody was faster") from error


def test_a_violation_is_the_same_refusal_however_it_is_wrapped(play: Play) -> None:
    counts = [
        (found.bad, found.schedules, found.aborted, found.deadlocked)
        for found in map(play, (plain_insert, orm_insert, wrapping))
    ]
    assert counts == [counts[0]] * 3
    assert counts[0][2] > 0
    assert play(plain_insert, fail_on=("23505",)).failed_on == {"23505": counts[0][2]}


class Conflict(Exception):
    pass


def conflicting(connection: GatedConnection, _session: int) -> None:
    if connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1 AND n = 0").rowcount == 0:
        raise Conflict("409 taken")


def returning(connection: GatedConnection, _session: int) -> object:
    if connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1 AND n = 0").rowcount == 0:
        return Refused("409 taken")
    return True


def test_an_application_refuses(play: Play) -> None:
    """The same schedules, the same refusals, none of them bad."""
    assert ExportedRefused is Refused
    raised, returned = play(conflicting, refusals=("Conflict",)), play(returning)
    assert raised.aborted == returned.aborted == raised.schedules > 0
    assert (raised.bad, returned.bad) == (0, 0)
    with pytest.raises(SubjectFailed, match="session B raised Conflict: 409 taken"):
        play(conflicting)


def test_one_that_says_refused_and_leaves_something_is_caught(play: Play) -> None:
    """A refusal counts as one that had not run, so nothing of it may stay."""

    def careless(connection: GatedConnection, session: int) -> object:
        row = connection.execute("SELECT n FROM counter WHERE id = 1").fetchone()
        connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1")
        after = connection.execute("SELECT n FROM counter WHERE id = 1").fetchone()
        assert row is not None
        assert after is not None
        return Refused() if after[0] != row[0] + 1 else None

    assert play(careless).bad > 0


def exits(connection: GatedConnection, _session: int) -> None:
    connection.execute("SELECT 1")
    raise SystemExit(7)


def test_an_exit_is_a_failure_of_the_function(play: Play) -> None:
    with pytest.raises(SubjectFailed, match="session A raised SystemExit: 7"):
        play(exits)


def insert(connection: GatedConnection, _session: int) -> None:
    connection.execute("INSERT INTO key VALUES (1)")


def insert_and_roll_back(connection: GatedConnection, session: int) -> bool:
    try:
        insert(connection, session)
    except errors.UniqueViolation:
        connection.rollback()
        return False
    return True


def insert_and_say_rollback(connection: GatedConnection, session: int) -> bool:
    try:
        insert(connection, session)
    except errors.UniqueViolation:
        connection.execute("ROLLBACK")
        return False
    return True


@pytest.mark.parametrize("function", [insert, insert_and_roll_back, insert_and_say_rollback])
def test_a_rollback_after_an_error_is_no_choice(play: Play, function: SessionFunction) -> None:
    """INSERT and COMMIT each, and whoever comes second waits for the first, or comes after it: 4 schedules. The server
    has freed everything when the error arrives, so when the ROLLBACK follows makes no difference to anybody."""
    assert play(function).schedules == 4


def test_a_rollback_to_outer_savepoints_stays_a_choice(play: Play) -> None:
    """Locks of before the savepoint are kept after an error, and freed by the ROLLBACK."""

    def nested(connection: GatedConnection, session: int) -> None:
        connection.execute("UPDATE counter SET n = n + 1 WHERE id = %s", (1,))
        connection.execute("SAVEPOINT s")
        try:
            connection.execute("INSERT INTO key VALUES (1), (1)")
        except errors.UniqueViolation:
            connection.rollback()

    found = play(nested)
    assert found.counterexample is None
    assert found.permutations == 70  # four steps each: the UPDATE, the SAVEPOINT, the INSERT, the ROLLBACK


def test_setters_are_no_steps(play: Play) -> None:
    def plain(connection: GatedConnection, _session: int) -> None:
        connection.execute("UPDATE counter SET n = n + 1 WHERE id = 1")

    def setting(connection: GatedConnection, session: int) -> None:
        connection.autocommit = True
        connection.set_read_only(False)
        connection.autocommit = False
        plain(connection, session)

    assert play(setting).schedules == play(plain).schedules == 4
