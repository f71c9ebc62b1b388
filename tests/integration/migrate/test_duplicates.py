"""K2, M6: the oldest row keeps the value, the others' is kept in the audit, and the downgrade puts it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from inboxbench.errors import SubjectFailed
from inboxbench.migrate import duplicates, facts, online
from inboxbench.migrate.session import Event, Session, StepStarted

if TYPE_CHECKING:
    from tests.conftest import Database

UNIQUE = duplicates.UniqueValue(index="things_a_b_key", table="things", scope="a", column="b")


@pytest.fixture
def doubled(db: Session) -> Session:
    """Rows 11 and 1 share ('x' in group 1), 21 shares it too and is the oldest; 12 has 'x' in group 2."""
    db.connection.execute("UPDATE things SET b = 'x' WHERE id IN (1, 11, 21, 12)")
    db.connection.execute("UPDATE things SET created_at = '2020-01-01' WHERE id = 21")
    return db


def _values(db: Session) -> dict[int, str | None]:
    return dict(db.connection.execute("SELECT id, b FROM things WHERE id IN (1, 11, 21, 12)").fetchall())


def test_the_oldest_keeps_it_and_the_rest_is_written_down(doubled: Session) -> None:
    assert duplicates.resolve_and_index(doubled, UNIQUE) == 2
    assert _values(doubled) == {1: None, 11: None, 21: "x", 12: "x"}
    audit = doubled.connection.execute(
        "SELECT revision, table_name, row_id, kept_id, column_name, value FROM duplicate_resolutions ORDER BY row_id"
    ).fetchall()
    assert audit == [("0099", "things", 1, 21, "b", "x"), ("0099", "things", 11, 21, "b", "x")]
    with pytest.raises(psycopg.errors.UniqueViolation):
        doubled.connection.execute("UPDATE things SET b = 'x' WHERE id = 1")


def test_a_second_run_finds_nothing(doubled: Session) -> None:
    duplicates.resolve_and_index(doubled, UNIQUE)
    assert duplicates.resolve_and_index(doubled, UNIQUE) == 0


def test_more_duplicates_than_a_batch_holds(db: Session) -> None:
    db.connection.execute("UPDATE things SET b = 'same'")
    assert duplicates.resolve_and_index(db, UNIQUE) == 990
    assert db.connection.execute("SELECT count(*) FROM things WHERE b = 'same'").fetchone() == (10,)


def test_a_duplicate_that_arrives_before_the_build_is_resolved_too(doubled: Session, database: Database) -> None:
    arrived: list[Event] = []

    def arrive(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text == "build index things_a_b_key" and not arrived:
            arrived.append(event)
            with database.connect() as writer:
                writer.execute("INSERT INTO things VALUES (5001, 1, 'x', now())")

    assert duplicates.resolve_and_index(replace(doubled, listener=arrive), UNIQUE) == 3
    index = facts.index(doubled.connection, "things_a_b_key")
    assert index is not None
    assert index.valid
    assert index.unique


def test_duplicates_without_end_are_given_up(doubled: Session, database: Database) -> None:
    """A writer that makes a new one before every build: the error says so and leaves no index behind."""

    def arrive(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text == "build index things_a_b_key":
            with database.connect() as writer:
                writer.execute("INSERT INTO things SELECT max(id) + 1, 1, 'x', now() FROM things")

    with pytest.raises(SubjectFailed, match=r"things\.b gets duplicates faster than they are resolved"):
        duplicates.resolve_and_index(replace(doubled, listener=arrive), UNIQUE)
    assert facts.index(doubled.connection, "things_a_b_key") is None


def test_the_downgrade_puts_values_back_unless_somebody_set_another(doubled: Session) -> None:
    before = _values(doubled)
    duplicates.resolve_and_index(doubled, UNIQUE)
    doubled.connection.execute("UPDATE things SET b = 'changed since' WHERE id = 11")
    online.drop_index(doubled, UNIQUE.index)
    duplicates.restore(doubled, UNIQUE)
    assert _values(doubled) == before | {11: "changed since"}
    assert doubled.connection.execute("SELECT count(*) FROM duplicate_resolutions").fetchone() == (0,)
