"""What hangs on a column, from the catalogue: what a change of its type by expand and contract has to hand over."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rewrites.change_type import Dependents
from inboxbench.dryrun.rewrites.operation import read_operation, unquoted
from inboxbench.server import Server

_DEPENDENTS = Path(__file__).with_name("dependents.sql").read_bytes()


def dependents(connection: Connection, table: str, column: str) -> Dependents | None:
    """Both as a statement writes them; None where the table or the column is not there."""
    row = connection.execute(_DEPENDENTS, {"table": table, "column": unquoted(column)}).fetchone()
    return Dependents.read(row[1]) if row else None


def all_dependents(server: Server, database: str) -> dict[str, dict[str, Any]]:
    """Of every column, by schema.table.column, as Dependents.read takes them."""
    with connect(server.conninfo(database)) as connection:
        return {str(name): found for name, found in connection.execute(_DEPENDENTS, {"table": None, "column": None})}


def of_retyped(statements: Iterable[Statement], columns: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those alone that a statement gives another type, or that are called like one: the record is to be read."""
    changes = (read_operation(one.sql) for one in statements)
    names = {unquoted(one.column) for one in changes if one and one.kind == "type"}
    return {name: found for name, found in columns.items() if name.rpartition(".")[2] in names}
