"""Constraints in two steps: NOT VALID binds new rows at once, VALIDATE looks at the old ones beside running traffic."""

from __future__ import annotations

import psycopg
from psycopg import sql

from inboxbench.errors import SubjectFailed
from inboxbench.migrate import facts
from inboxbench.migrate.session import Session
from inboxbench.migrate.steps import Text, composed, run

_SHOWN_IDS = 5


def add_constraint(db: Session, table: str, name: str, definition: Text) -> None:
    """ADD CONSTRAINT … NOT VALID of a CHECK or FOREIGN KEY: binds new rows at once, looks at no old one."""
    if facts.constraint_validated(db.connection, table, name) is not None:
        return
    statement = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} NOT VALID").format(
        sql.Identifier(table), sql.Identifier(name), composed(definition)
    )
    run(db, f"add constraint {name}, not valid yet", statement)


def validate_constraint(db: Session, table: str, name: str) -> None:
    """VALIDATE CONSTRAINT, in its own transaction: scans old rows while reads and writes go on."""
    if facts.constraint_validated(db.connection, table, name):
        return
    db.step(f"validate constraint {name}")
    statement = sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}")
    db.connection.execute(statement.format(sql.Identifier(table), sql.Identifier(name)))


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
    if facts.constraint_validated(db.connection, table, name) is None:
        return
    statement = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
    run(db, f"drop constraint {name}", statement.format(sql.Identifier(table), sql.Identifier(name)))


def _refuse_violations(db: Session, table: str, name: str, condition: sql.Composable, remedy: str) -> None:
    query = sql.SQL("SELECT count(*), (array_agg(id ORDER BY id))[:{}] FROM {} WHERE NOT ({})").format(
        sql.Literal(_SHOWN_IDS), sql.Identifier(table), condition
    )
    db.step(f"look for rows of {table} that break {name}")
    row = db.connection.execute(query).fetchone()
    if row is None or row[0] == 0:
        return
    rows, shown = row
    more = ", …" if rows > len(shown) else ""
    raise SubjectFailed(
        f"{db.revision}: {rows} row{'s' if rows > 1 else ''} of {table} would break {name} "
        f"(id {', '.join(map(str, shown))}{more}); nothing was changed: {remedy}, then run the upgrade again"
    )
