"""Columns without a rewrite of the table, and NOT NULL without a scan under its strong lock."""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from inboxbench.errors import SubjectFailed
from inboxbench.migrate import facts
from inboxbench.migrate.constraints import add_check
from inboxbench.migrate.session import Session
from inboxbench.migrate.steps import run


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
    found = facts.column_type(db.connection, table, column)
    if found is not None:
        expected = facts.spelled_type(db.connection, type_name)
        if found != expected:
            raise SubjectFailed(
                f"{db.revision}: {table}.{column} exists already as {found}, this revision adds it as {expected}; "
                "rename or drop the existing column, then run the upgrade again"
            )
        return
    statement = sql.SQL("ALTER TABLE {} ADD COLUMN {} {}").format(
        sql.Identifier(table), sql.Identifier(column), sql.SQL(type_name)
    )
    if default is not None:
        statement += sql.SQL(" DEFAULT {}").format(sql.SQL(default))
    if not_null:
        statement += sql.SQL(" NOT NULL")
    run(db, f"add column {table}.{column}", statement)


def drop_column(db: Session, table: str, column: str) -> None:
    """DROP COLUMN, with the single-table constraints and indexes on it."""
    if facts.column_type(db.connection, table, column) is None:
        return
    statement = sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(sql.Identifier(table), sql.Identifier(column))
    run(db, f"drop column {table}.{column}", statement)


def set_not_null(db: Session, table: str, column: str) -> None:
    """NOT NULL without a scan under ACCESS EXCLUSIVE: a validated CHECK proves it first, then goes."""
    if facts.is_not_null(db.connection, table, column):
        return
    helper = f"{table}_{column}_not_null"
    condition = sql.SQL("{} IS NOT NULL").format(sql.Identifier(column))
    add_check(db, table, helper, condition, remedy="run the backfill again")
    alter, drop = (
        sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL"),
        sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}"),
    )
    run(
        db,
        f"set {table}.{column} NOT NULL",
        alter.format(sql.Identifier(table), sql.Identifier(column)),
        drop.format(sql.Identifier(table), sql.Identifier(helper)),
    )


def drop_not_null(db: Session, table: str, column: str) -> None:
    if facts.is_not_null(db.connection, table, column):
        statement = sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL")
        run(db, f"let {table}.{column} be NULL", statement.format(sql.Identifier(table), sql.Identifier(column)))
