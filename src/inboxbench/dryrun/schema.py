"""What the catalogue says of tables and columns, for a rewrite to go by: keys, children, and what hangs on a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import DryRun, Statement
from inboxbench.dryrun.more import Schema
from inboxbench.dryrun.rewrites.change_type import Dependents
from inboxbench.dryrun.rewrites.partitioned import Partitions
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


def read_schema(server: Server, database: str) -> Schema:
    """Return what rules and rewrites ask of the catalogue, with the dependents of every column."""
    with connect(server.conninfo(database)) as connection:
        keys = connection.execute(_QUERIES["keys"], {"table": None}).fetchall()
        children = connection.execute(_QUERIES["children"]).fetchall()
        rows = connection.execute(_QUERIES["rows"], {}).fetchall()
        columns = connection.execute(_DEPENDENTS, {"table": None, "column": None}).fetchall()
        return Schema(
            keys={str(name): str(key) for name, key in keys},
            columns={str(name): Dependents.read(row) for name, row in columns},
            children=tuple(sorted(str(name) for (name,) in children)),
            partitions=partitions(connection),
            rows={str(name): int(estimate) for name, estimate in rows},
            enums={str(name): tuple(values) for name, values in connection.execute(_QUERIES["enums"])},
        )


def recorded(schemas: Sequence[Schema], statements: Iterable[Statement]) -> Schema:
    """Return what a run keeps of its schemas, before and after each part of it: of columns, those that get another type
    as they were before it.
    """
    columns = {name: column for schema in reversed(schemas[:-1]) for name, column in schema.columns.items()}
    return Schema(
        keys={name: key for schema in schemas for name, key in schema.keys.items()},
        columns=of_retyped(statements, columns),
        children=tuple(sorted({name for schema in schemas for name in schema.children})),
        partitions=_every_partition(schemas),
        rows={name: rows for schema in reversed(schemas) for name, rows in schema.rows.items()},
        enums={name: values for schema in reversed(schemas) for name, values in schema.enums.items()},
    )


def partitions(connection: Connection, table: str | None = None) -> dict[str, Partitions]:
    """Of a table as a statement writes it, or of every partitioned table; by schema.name."""
    rows = connection.execute(_QUERIES["partitions"], {"table": table})
    return {str(name): Partitions(tuple(names), nested) for name, names, nested in rows}


def dependents(connection: Connection, table: str, column: str) -> Dependents | None:
    """Both as a statement writes them; None where the table or the column is not there."""
    row = connection.execute(_DEPENDENTS, {"table": table, "column": unquoted(column)}).fetchone()
    return Dependents.read(row[1]) if row else None


def _every_partition(schemas: Sequence[Schema]) -> dict[str, Partitions]:
    """Return those that are there at any time: a statement has locked those that were there when it ran."""
    every: dict[str, Partitions] = {}
    for schema in schemas:
        for table, parts in schema.partitions.items():
            before = every.get(table, Partitions())
            names = tuple(sorted({*before.names, *parts.names}))
            every[table] = Partitions(names, before.nested or parts.nested)
    return every


def of_retyped(statements: Iterable[Statement], columns: Mapping[str, Dependents]) -> dict[str, Dependents]:
    """Return those alone that a statement gives another type, or that are called like one: the record is to be read."""
    actions = (
        action for statement in statements for command in statement.parsed.commands for action in command.actions
    )
    names = {action.name for action in actions if action.kind == "alter column type"}
    return {name: column for name, column in columns.items() if name.rpartition(".")[2] in names}


def of_production(run: DryRun, rows: Mapping[str, int]) -> DryRun:
    """Return the run as one of tables (schema.name) that have so many rows in production."""
    schema = replace(run.more.schema or Schema(), production=dict(rows))
    return replace(run, more=replace(run.more, schema=schema))
