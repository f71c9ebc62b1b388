"""Each operation: what it builds, that it can be run again, and what it says when something else is there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from inboxbench.errors import SubjectFailed
from inboxbench.migrate import facts, online
from inboxbench.migrate.session import Session

if TYPE_CHECKING:
    from tests.integration.migrate.conftest import Events


def _rows(db: Session, query: str) -> list[tuple[object, ...]]:
    return db.connection.execute(query.encode()).fetchall()


# Columns ---------------------------------------------------------------------------------------------------


def test_a_column_is_added_once_and_without_a_rewrite(db: Session, events: Events) -> None:
    node = "SELECT pg_relation_filenode('things')"
    before = _rows(db, node)
    for _ in range(2):
        online.add_column(db, "things", "c", "smallint", default="7", not_null=True)
    assert _rows(db, "SELECT DISTINCT c FROM things") == [(7,)]
    assert _rows(db, node) == before
    assert events.steps == ["add column things.c"]


def test_a_column_of_another_type_is_an_error(db: Session) -> None:
    with pytest.raises(SubjectFailed) as failure:
        online.add_column(db, "things", "b", "integer")
    assert str(failure.value) == (
        "0099: things.b exists already as text, this revision adds it as integer; "
        "rename or drop the existing column, then run the upgrade again"
    )


def test_a_column_is_dropped_once(db: Session, events: Events) -> None:
    for _ in range(2):
        online.drop_column(db, "things", "b")
    assert facts.column_type(db.connection, "things", "b") is None
    assert events.steps == ["drop column things.b"]


def test_not_null_is_proved_before_it_is_set(db: Session, events: Events) -> None:
    for _ in range(2):
        online.set_not_null(db, "things", "a")
    assert facts.is_not_null(db.connection, "things", "a")
    assert events.steps == [
        "look for rows of things that break things_a_not_null",
        "add constraint things_a_not_null, not valid yet",
        "validate constraint things_a_not_null",
        "set things.a NOT NULL",
    ]
    assert facts.constraint_validated(db.connection, "things", "things_a_not_null") is None


@pytest.mark.parametrize(("proved", "scans"), [(True, 0), (False, 1)])
def test_not_null_scans_under_its_strong_lock_only_without_the_proof(db: Session, proved: bool, scans: int) -> None:
    if proved:
        online.add_check(db, "things", "things_a_not_null", "a IS NOT NULL", remedy="fill it")
    seen = "SELECT seq_scan::int FROM pg_stat_xact_user_tables WHERE relname = 'things'"
    with db.connection.transaction():
        ((before,),) = _rows(db, seen)
        db.connection.execute("ALTER TABLE things ALTER COLUMN a SET NOT NULL")
        assert _rows(db, seen) == [(before + scans,)]  # type: ignore[operator]


def test_not_null_over_a_null_is_an_error_and_leaves_nothing(db: Session) -> None:
    db.connection.execute("UPDATE things SET a = NULL WHERE id IN (3, 5)")
    with pytest.raises(SubjectFailed, match=r"2 rows of things would break things_a_not_null \(id 3, 5\)"):
        online.set_not_null(db, "things", "a")
    assert facts.constraint_validated(db.connection, "things", "things_a_not_null") is None


def test_a_column_can_be_null_again(db: Session) -> None:
    online.set_not_null(db, "things", "a")
    for _ in range(2):
        online.drop_not_null(db, "things", "a")
    assert not facts.is_not_null(db.connection, "things", "a")


# Constraints -----------------------------------------------------------------------------------------------


def test_a_constraint_binds_new_rows_before_it_is_validated(db: Session) -> None:
    db.connection.execute("UPDATE things SET a = 99 WHERE id = 1")
    online.add_constraint(db, "things", "things_a_check", "CHECK (a < 50)")
    assert facts.constraint_validated(db.connection, "things", "things_a_check") is False
    with pytest.raises(psycopg.errors.CheckViolation):
        db.connection.execute("INSERT INTO things (id, a) VALUES (2000, 60)")
    with pytest.raises(psycopg.errors.CheckViolation):
        online.validate_constraint(db, "things", "things_a_check")


def test_a_validated_constraint_is_left_alone(db: Session, events: Events) -> None:
    for _ in range(2):
        online.add_check(db, "things", "things_a_check", "a < 50", remedy="lower it")
    assert len(events.steps) == 3


def test_a_constraint_that_a_crash_left_unvalidated_is_validated(db: Session) -> None:
    online.add_constraint(db, "things", "things_a_check", "CHECK (a < 50)")
    online.add_check(db, "things", "things_a_check", "a < 50", remedy="lower it")
    assert facts.constraint_validated(db.connection, "things", "things_a_check") is True


def test_a_condition_that_is_unknown_breaks_no_check(db: Session) -> None:
    db.connection.execute("UPDATE things SET a = NULL WHERE id = 1")
    online.add_check(db, "things", "things_a_check", "a < 50", remedy="lower it")


# Indexes ---------------------------------------------------------------------------------------------------


def test_an_index_is_built_once(db: Session, events: Events) -> None:
    for _ in range(2):
        online.create_index(db, "things_a_idx", "things", "(a, created_at DESC) WHERE a > 3")
    assert events.steps == ["build index things_a_idx"]


@pytest.mark.parametrize("workers", [0, 3])
def test_an_index_is_built_by_as_many_processes_as_allowed(db: Session, workers: int) -> None:
    limited = replace(db, settings=replace(db.settings, index_workers=workers))
    online.create_index(limited, "things_a_idx", "things", "(a)")
    assert db.connection.execute("SHOW max_parallel_maintenance_workers").fetchone() == (str(workers),)


def test_the_same_index_spelled_otherwise_is_the_same(db: Session) -> None:
    db.connection.execute("CREATE INDEX things_a_idx ON things USING btree (a ASC, lower(b)) WHERE ((a) > (3))")
    online.create_index(db, "things_a_idx", "things", "(a, lower(b)) WHERE a > 3")


@pytest.mark.parametrize(
    ("existing", "spelled"),
    [
        ("CREATE INDEX things_a_idx ON things (b)", "ON things USING btree (b)"),
        ("CREATE UNIQUE INDEX things_a_idx ON things (a, id)", "UNIQUE ON things USING btree (a, id)"),
        ("CREATE INDEX things_a_idx ON others (a)", "ON others USING btree (a)"),
        ("CREATE INDEX things_a_idx ON things (a) WHERE a > 1", "ON things USING btree (a) WHERE (a > 1)"),
    ],
)
def test_another_index_of_that_name_is_an_error(db: Session, existing: str, spelled: str) -> None:
    db.connection.execute("CREATE TABLE others (a int)")
    db.connection.execute(existing.encode())
    with pytest.raises(SubjectFailed) as failure:
        online.create_index(db, "things_a_idx", "things", "(a)")
    assert str(failure.value) == (
        f"0099: index things_a_idx exists already as {spelled}, this revision wants ON things USING btree (a); "
        "rename or drop the existing one, then run the upgrade again"
    )


def test_a_leftover_of_a_failed_build_is_built_anew(db: Session, events: Events) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        db.connection.execute("CREATE UNIQUE INDEX CONCURRENTLY things_a_idx ON things (a)")
    leftover = facts.index(db.connection, "things_a_idx")
    assert leftover is not None
    assert not leftover.valid
    online.create_index(db, "things_a_idx", "things", "(a)")
    rebuilt = facts.index(db.connection, "things_a_idx")
    assert rebuilt == facts.IndexFact("things", True, False, "USING btree (a)")
    assert events.steps == ["drop index things_a_idx: a failed build left it INVALID", "build index things_a_idx"]


def test_a_build_that_fails_leaves_nothing(db: Session) -> None:
    with pytest.raises(psycopg.errors.UniqueViolation):
        online.create_index(db, "things_a_idx", "things", "(a)", unique=True)
    assert facts.index(db.connection, "things_a_idx") is None


def test_an_index_is_dropped_once(db: Session, events: Events) -> None:
    online.create_index(db, "things_a_idx", "things", "(a)")
    for _ in range(2):
        online.drop_index(db, "things_a_idx")
    assert events.steps == ["build index things_a_idx", "drop index things_a_idx"]


# Tables, functions, triggers -------------------------------------------------------------------------------

STAMP = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.b := 'stamped'; RETURN NEW; END $$"


def test_a_trigger_with_a_condition(db: Session, events: Events) -> None:
    for _ in range(2):
        online.create_function(db, "stamp", STAMP)
        online.create_trigger(db, "things", "things_stamp", "BEFORE INSERT", "stamp", condition="NEW.a = 1")
    db.connection.execute("INSERT INTO things (id, a) VALUES (2001, 1), (2002, 2)")
    assert _rows(db, "SELECT b FROM things WHERE id > 2000 ORDER BY id") == [("stamped",), (None,)]
    assert events.steps.count("create trigger things_stamp") == 1


def test_a_trigger_and_its_function_go(db: Session) -> None:
    online.create_function(db, "stamp", STAMP)
    online.create_trigger(db, "things", "things_stamp", "BEFORE INSERT", "stamp")
    for _ in range(2):
        online.drop_trigger(db, "things", "things_stamp")
        online.drop_function(db, "stamp")
    db.connection.execute("INSERT INTO things (id) VALUES (2001)")
    assert _rows(db, "SELECT b FROM things WHERE id = 2001") == [(None,)]


def test_a_table_is_created_and_dropped_once(db: Session, events: Events) -> None:
    for _ in range(2):
        online.create_table(db, "counters", "(id bigint PRIMARY KEY) WITH (fillfactor = 50)")
    assert events.steps == ["create table counters"]
    for _ in range(2):
        online.drop_table(db, "counters")
    assert not facts.table_exists(db.connection, "counters")
