"""What the catalogue says of tables and columns, for a rewrite to go by: keys, children, and what hangs on a column."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rewrites.change_type import Dependents
from inboxbench.server import Server
from inboxbench.sqlfile import read_sections
from inboxbench.sqltree.tokens import unquoted

_QUERIES = read_sections(__file__)
_DEPENDENTS = Path(__file__).with_name("dependents.sql").read_bytes()


def primary_key(connection: Connection, table: str) -> str:
    """Return its columns, quoted as they need it, with commas between; "" for a table without one, or that is not
    there.
    """
    row = connection.execute(_QUERIES["keys"], {"table": table}).fetchone()
    return str(row[1]) if row else ""


def primary_keys(server: Server, database: str) -> dict[str, str]:
    """Of every table, by schema.name; "" where there is none."""
    with connect(server.conninfo(database)) as connection:
        return {str(name): str(key) for name, key in connection.execute(_QUERIES["keys"], {"table": None})}


def child_tables(server: Server, database: str) -> set[str]:
    """Partitions, and tables that inherit, as schema.name."""
    with connect(server.conninfo(database)) as connection:
        return {str(name) for (name,) in connection.execute(_QUERIES["children"])}


def dependents(connection: Connection, table: str, column: str) -> Dependents | None:
    """Both as a statement writes them; None where the table or the column is not there."""
    row = connection.execute(_DEPENDENTS, {"table": table, "column": unquoted(column)}).fetchone()
    return Dependents.read(row[1]) if row else None


def all_dependents(server: Server, database: str) -> dict[str, Dependents]:
    """Of every column, by schema.table.column."""
    with connect(server.conninfo(database)) as connection:
        rows = connection.execute(_DEPENDENTS, {"table": None, "column": None})
        return {str(name): Dependents.read(row) for name, row in rows}


def of_retyped(statements: Iterable[Statement], columns: dict[str, Dependents]) -> dict[str, Dependents]:
    """Return those alone that a statement gives another type, or that are called like one: the record is to be read."""
    actions = (
        action for statement in statements for command in statement.parsed.commands for action in command.actions
    )
    names = {action.name for action in actions if action.kind == "alter column type"}
    return {name: column for name, column in columns.items() if name.rpartition(".")[2] in names}
