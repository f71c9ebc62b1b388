"""Tables, functions and triggers."""

from __future__ import annotations

from typing import LiteralString

from psycopg import sql

from inboxbench.migrate import facts
from inboxbench.migrate.session import Session
from inboxbench.migrate.steps import run


def create_table(db: Session, table: str, body: LiteralString) -> None:
    """CREATE TABLE with `body` in and after the brackets: "(id bigint PRIMARY KEY) WITH (fillfactor = 50)".

    A REFERENCES in it takes SHARE ROW EXCLUSIVE on the table it names, for as long as the catalog needs.
    """
    if facts.table_exists(db.connection, table):
        return
    run(db, f"create table {table}", sql.SQL("CREATE TABLE {} {}").format(sql.Identifier(table), sql.SQL(body)))


def drop_table(db: Session, table: str) -> None:
    run(db, f"drop table {table}", sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table)))


def create_function(db: Session, name: str, definition: LiteralString) -> None:
    """CREATE OR REPLACE FUNCTION `name`() …; `definition` begins with RETURNS. Touches no table."""
    statement = sql.SQL("CREATE OR REPLACE FUNCTION {}() {}").format(sql.Identifier(name), sql.SQL(definition))
    run(db, f"create function {name}", statement)


def drop_function(db: Session, name: str) -> None:
    run(db, f"drop function {name}", sql.SQL("DROP FUNCTION IF EXISTS {}()").format(sql.Identifier(name)))


def create_trigger(
    db: Session, table: str, name: str, event: LiteralString, function: str, *, condition: LiteralString | None = None
) -> None:
    """A row trigger: `event` is "BEFORE INSERT", "AFTER UPDATE OF status" …, `condition` what stands after WHEN.

    CREATE TRIGGER waits for every writer in flight: once it is done, all rows that the trigger has not seen are
    committed and visible to the backfill that follows. That is what closes the gap between the two.
    """
    if facts.trigger_exists(db.connection, table, name):
        return
    statement = sql.SQL("CREATE TRIGGER {} {} ON {} FOR EACH ROW {} EXECUTE FUNCTION {}()").format(
        sql.Identifier(name),
        sql.SQL(event),
        sql.Identifier(table),
        sql.SQL("WHEN ({})").format(sql.SQL(condition)) if condition else sql.SQL(""),
        sql.Identifier(function),
    )
    run(db, f"create trigger {name}", statement)


def drop_trigger(db: Session, table: str, name: str) -> None:
    if facts.trigger_exists(db.connection, table, name):
        statement = sql.SQL("DROP TRIGGER {} ON {}")
        run(db, f"drop trigger {name}", statement.format(sql.Identifier(name), sql.Identifier(table)))
