"""Taking keys off and putting them back, and ending what runs when something breaks."""

from __future__ import annotations

from typing import Protocol

import psycopg
import pytest
from psycopg import sql

from inboxbench.database import Connection
from inboxbench.seed.load.deferred_indexes import in_parallel, restore, steps, strip


class Database(Protocol):
    conninfo: str

    def connect(self) -> Connection: ...


TABLES = """
    CREATE TABLE parent (id bigint PRIMARY KEY, code text UNIQUE, n int CHECK (n > 0));
    CREATE TABLE child (id bigint PRIMARY KEY, parent_id bigint NOT NULL REFERENCES parent ON DELETE CASCADE);
    CREATE INDEX child_parent ON child (parent_id) WHERE parent_id > 5;
    CREATE UNIQUE INDEX parent_low ON parent (lower(code));
"""


def shape(connection: Connection) -> set[tuple[str, str]]:
    rows = connection.execute("""
        SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT conname, pg_get_constraintdef(oid) || convalidated FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    """)
    return {(str(name), str(text)) for name, text in rows}


def test_what_is_taken_off_comes_back_the_same(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(TABLES)
        before = shape(connection)
        parts = strip(connection, ["child", "parent"])
        assert shape(connection) == set()
        done: list[int] = []
        restore(database.conninfo, parts, ["child", "parent"], lambda: done.append(1))
        assert shape(connection) == before
        assert len(done) == steps(parts, ["child", "parent"])


def test_rows_that_break_a_rule_are_refused_afterwards(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(TABLES)
        parts = strip(connection, ["child", "parent"])
        connection.execute("INSERT INTO child VALUES (1, 404)")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            restore(database.conninfo, parts, ["child", "parent"], lambda: None)


class _Stop(Exception):
    pass


def test_a_failure_cancels_what_runs_beside_it(database: Database) -> None:
    """The slow statement would make a table at its end: it is cancelled, so there is none."""

    def stop() -> None:
        raise _Stop

    slow = sql.SQL("DO $$ BEGIN PERFORM pg_sleep(20); CREATE TABLE late (x int); END $$")
    with pytest.raises(_Stop):
        in_parallel(database.conninfo, [sql.SQL("SELECT pg_sleep(1)"), slow], stop)
    with database.connect() as connection:
        assert connection.execute("SELECT to_regclass('late')").fetchone() == (None,)
