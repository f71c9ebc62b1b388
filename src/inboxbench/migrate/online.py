"""The operations revisions are written in: each is safe on a live, large table and safe to run twice.

A step is its own short transaction, or none where PostgreSQL demands it (CONCURRENTLY). It looks at the catalog
first, so an upgrade that died anywhere is finished by running it again; the version stamp comes last.
SQL arguments are literals of the revision, never text from outside.

Two kinds of waiting. Short DDL takes a lock that conflicts with reads or writes, so it may wait only
`lock_timeout` at a time. CREATE or DROP INDEX CONCURRENTLY and VALIDATE CONSTRAINT take SHARE UPDATE EXCLUSIVE,
which conflicts with neither: while they wait or work they hold up nobody but other DDL and VACUUM, so they wait
as long as it takes (lock_timeout 0, the session's setting).
"""

from __future__ import annotations

from typing import LiteralString

import psycopg
from alembic import op
from psycopg import sql

from inboxbench.database import first_row, with_names
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.migrate import facts
from inboxbench.migrate.session import Event, Listener, Session, read_settings, short_transaction

# What revisions hand over: text they hold literally, or a composition.
Text = LiteralString | sql.SQL | sql.Composed


def session(revision: str) -> Session:
    """Return the running migration's connection, limits and listener. Raises UsageError in Alembic's --sql mode."""
    context = op.get_context()
    if context.as_sql or context.bind is None:
        raise UsageError("these revisions look at the database as they go; --sql has none to look at")
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    attributes = context.config.attributes if context.config else {}
    listener: Listener = attributes.get("listener", _nobody)
    return Session(connection, revision, attributes.get("settings") or read_settings(), listener)


def _nobody(_event: Event) -> None:
    """Listener of a migration that nobody watches."""


def run(db: Session, text: str, *statements: Text) -> None:
    """Short statements in one transaction under lock_timeout; each must be safe to run again."""
    db.step(text)

    def work() -> None:
        for statement in statements:
            db.connection.execute(statement)

    short_transaction(db, text, work)


def composed(text: Text) -> sql.SQL | sql.Composed:
    return text if isinstance(text, (sql.SQL, sql.Composed)) else sql.SQL(text)


_SHOWN_IDS = 5


def add_constraint(db: Session, table: str, name: str, definition: Text) -> None:
    """ADD CONSTRAINT … NOT VALID of a CHECK or FOREIGN KEY: binds new rows at once, looks at no old one."""
    if facts.constraint_validated(db.connection, table, name) is not None:
        return
    statement = with_names("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID", table, name, composed(definition))
    run(db, f"add constraint {name}, not valid yet", statement)


def validate_constraint(db: Session, table: str, name: str) -> None:
    """VALIDATE CONSTRAINT, in its own transaction: scans old rows while reads and writes go on."""
    if facts.constraint_validated(db.connection, table, name):
        return
    db.step(f"validate constraint {name}")
    db.connection.execute(with_names("ALTER TABLE {} VALIDATE CONSTRAINT {}", table, name))


def add_check(db: Session, table: str, name: str, condition: Text, *, remedy: str) -> None:
    """A CHECK in two steps, NOT VALID then VALIDATE; an old row that breaks it leaves nothing half-done.

    Old rows are looked at before anything is added. Raises SubjectFailed with their number, the first ids and
    `remedy`, a clause that says what to do about them.
    """
    if facts.constraint_validated(db.connection, table, name):
        return
    expression = composed(condition)
    _refuse_violations(db, table, name, expression, remedy)
    add_constraint(db, table, name, sql.SQL("CHECK ({})").format(expression))
    try:
        validate_constraint(db, table, name)
    except psycopg.errors.CheckViolation:
        drop_constraint(db, table, name)
        _refuse_violations(db, table, name, expression, remedy)
        raise


def drop_constraint(db: Session, table: str, name: str) -> None:
    """DROP CONSTRAINT, where it is there."""
    if facts.constraint_validated(db.connection, table, name) is not None:
        run(db, f"drop constraint {name}", with_names("ALTER TABLE {} DROP CONSTRAINT {}", table, name))


def _refuse_violations(db: Session, table: str, name: str, condition: sql.Composable, remedy: str) -> None:
    db.step(f"look for rows of {table} that break {name}")
    query = "SELECT count(*), (array_agg(id ORDER BY id))[:{}] FROM {} WHERE NOT ({})"
    rows, shown = first_row(db.connection, with_names(query, sql.Literal(_SHOWN_IDS), table, condition))
    if rows == 0:
        return
    more = ", …" if rows > len(shown) else ""
    raise SubjectFailed(
        f"{db.revision}: {rows} row{'s' if rows > 1 else ''} of {table} would break {name} "
        f"(id {', '.join(map(str, shown))}{more}); nothing was changed: {remedy}, then run the upgrade again"
    )


def add_column(
    db: Session,
    table: str,
    column: str,
    type_name: LiteralString,
    *,
    default: LiteralString | None = None,
    not_null: bool = False,
) -> None:
    """ADD COLUMN: a change of the catalog alone, because the default is a constant (or none).

    Raises SubjectFailed when a column of that name but another type is there.
    """
    there = facts.column_type(db.connection, table, column)
    if there is not None:
        expected = facts.spelled_type(db.connection, type_name)
        if there != expected:
            raise SubjectFailed(
                f"{db.revision}: {table}.{column} exists already as {there}, this revision adds it as {expected}; "
                "rename or drop the existing column, then run the upgrade again"
            )
        return
    statement = with_names("ALTER TABLE {} ADD COLUMN {} {}", table, column, sql.SQL(type_name))
    if default is not None:
        statement += sql.SQL(" DEFAULT {}").format(sql.SQL(default))
    if not_null:
        statement += sql.SQL(" NOT NULL")
    run(db, f"add column {table}.{column}", statement)


def drop_column(db: Session, table: str, column: str) -> None:
    """DROP COLUMN, with the single-table constraints and indexes on it."""
    if facts.column_type(db.connection, table, column) is not None:
        run(db, f"drop column {table}.{column}", with_names("ALTER TABLE {} DROP COLUMN {}", table, column))


def set_not_null(db: Session, table: str, column: str) -> None:
    """NOT NULL without a scan under ACCESS EXCLUSIVE: a validated CHECK proves it first, then goes."""
    if facts.is_not_null(db.connection, table, column):
        return
    helper = f"{table}_{column}_not_null"
    add_check(db, table, helper, with_names("{} IS NOT NULL", column), remedy="run the backfill again")
    run(
        db,
        f"set {table}.{column} NOT NULL",
        with_names("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL", table, column),
        with_names("ALTER TABLE {} DROP CONSTRAINT {}", table, helper),
    )


def drop_not_null(db: Session, table: str, column: str) -> None:
    """DROP NOT NULL, where the column has it."""
    if facts.is_not_null(db.connection, table, column):
        statement = with_names("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", table, column)
        run(db, f"let {table}.{column} be NULL", statement)


def create_index(db: Session, name: str, table: str, definition: Text, *, unique: bool = False) -> None:
    """CREATE INDEX CONCURRENTLY; `definition` is what follows the table: "(a, b)", "USING gin (…)", "(a) WHERE …".

    By one process, unless Settings.index_workers gives it more.

    An INVALID leftover of a build that failed is dropped and built again. Raises SubjectFailed when a valid index
    of that name says something else, psycopg.errors.UniqueViolation (with nothing left behind) for duplicates.
    """
    there = facts.index(db.connection, name)
    if there is not None and there.valid:
        expected = facts.would_be_index(db.connection, table, composed(definition))
        _require_same(db, name, there, facts.IndexFact(table, True, unique, expected))
        return
    if there is not None:
        drop_index(db, name, why="a failed build left it INVALID")
    db.step(f"build index {name}")
    kind = sql.SQL("UNIQUE INDEX" if unique else "INDEX")
    statement = with_names("CREATE {} CONCURRENTLY {} ON {} {}", kind, name, table, composed(definition))
    workers = f"{db.settings.index_workers:.0f}"
    db.connection.execute("SELECT set_config('max_parallel_maintenance_workers', %s, false)", (workers,))
    try:
        db.connection.execute(statement)
    except psycopg.Error:
        # A unique index that failed goes on refusing rows although no query can use it: take it away at once.
        if not db.connection.broken:
            drop_index(db, name, why="its build failed")
        raise


def drop_index(db: Session, name: str, *, why: str = "") -> None:
    """DROP INDEX CONCURRENTLY."""
    if facts.index(db.connection, name) is None:
        return
    db.step(f"drop index {name}" + (f": {why}" if why else ""))
    db.connection.execute(with_names("DROP INDEX CONCURRENTLY IF EXISTS {}", name))


def _require_same(db: Session, name: str, there: facts.IndexFact, wanted: facts.IndexFact) -> None:
    if there == wanted:
        return
    raise SubjectFailed(
        f"{db.revision}: index {name} exists already as {_spell(there)}, this revision wants {_spell(wanted)}; "
        "rename or drop the existing one, then run the upgrade again"
    )


def _spell(fact: facts.IndexFact) -> str:
    return f"{'UNIQUE ' if fact.unique else ''}ON {fact.table} {fact.definition}"


def create_table(db: Session, table: str, body: LiteralString) -> None:
    """CREATE TABLE with `body` in and after the brackets: "(id bigint PRIMARY KEY) WITH (fillfactor = 50)".

    A REFERENCES in it takes SHARE ROW EXCLUSIVE on the table it names, for as long as the catalog needs.
    """
    if not facts.table_exists(db.connection, table):
        run(db, f"create table {table}", with_names("CREATE TABLE {} {}", table, sql.SQL(body)))


def drop_table(db: Session, table: str) -> None:
    """DROP TABLE IF EXISTS."""
    run(db, f"drop table {table}", with_names("DROP TABLE IF EXISTS {}", table))


def create_function(db: Session, name: str, definition: LiteralString) -> None:
    """CREATE OR REPLACE FUNCTION `name`() …; `definition` begins with RETURNS. Touches no table."""
    run(db, f"create function {name}", with_names("CREATE OR REPLACE FUNCTION {}() {}", name, sql.SQL(definition)))


def drop_function(db: Session, name: str) -> None:
    """DROP FUNCTION IF EXISTS."""
    run(db, f"drop function {name}", with_names("DROP FUNCTION IF EXISTS {}()", name))


def create_trigger(
    db: Session, table: str, name: str, event: LiteralString, function: str, *, condition: LiteralString | None = None
) -> None:
    """A row trigger: `event` is "BEFORE INSERT", "AFTER UPDATE OF status" …, `condition` what stands after WHEN.

    CREATE TRIGGER waits for every writer in flight: once it is done, all rows that the trigger has not seen are
    committed and visible to the backfill that follows. That is what closes the gap between the two.
    """
    if facts.trigger_exists(db.connection, table, name):
        return
    when = with_names("WHEN ({})", sql.SQL(condition)) if condition else sql.SQL("")
    statement = "CREATE TRIGGER {} {} ON {} FOR EACH ROW {} EXECUTE FUNCTION {}()"
    run(db, f"create trigger {name}", with_names(statement, name, sql.SQL(event), table, when, function))


def drop_trigger(db: Session, table: str, name: str) -> None:
    """DROP TRIGGER, where it is there."""
    if facts.trigger_exists(db.connection, table, name):
        run(db, f"drop trigger {name}", with_names("DROP TRIGGER {} ON {}", name, table))
