"""Whether data survives the way up and back down: a checksum of every column before, and after (`--downgrade`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from inboxbench.database import Connection
from inboxbench.traffic.tables import Table, read_tables


@dataclass(frozen=True, slots=True)
class Sum:
    """columns: name → checksum over (key, value), the same in any order of the rows."""

    rows: int
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Loss:
    """What is not as it was. column is None for the table itself."""

    table: str
    column: str | None
    what: str


def checksums(connection: Connection) -> dict[str, Sum]:
    """Of every table but Alembic's own; reads each once."""
    return {table.full_name: _sum(connection, table) for table in read_tables(connection)}


def _sum(connection: Connection, table: Table) -> Sum:
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    sums = [
        sql.SQL("coalesce(sum(hashtextextended(ROW({}{}{})::text, 0)::numeric), 0)::text").format(
            key, sql.SQL(", " if table.key else ""), sql.Identifier(column.name)
        )
        for column in table.columns
    ]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join([sql.SQL("count(*)"), *sums]), table.identifier)
    row = connection.execute(query).fetchone()
    assert row is not None
    return Sum(row[0], dict(zip((column.name for column in table.columns), row[1:], strict=True)))


def losses(before: Mapping[str, Sum], after: Mapping[str, Sum]) -> tuple[Loss, ...]:
    """What the tables of `before` have lost, or what was changed in them; a table or column that is new is none."""
    found: list[Loss] = []
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            found.append(Loss(name, None, f"the table is gone, and {was.rows:,} rows with it"))
        else:
            found += _of_table(name, was, now)
    return tuple(found)


def _of_table(name: str, was: Sum, now: Sum) -> list[Loss]:
    found = []
    if was.rows != now.rows:
        found.append(Loss(name, None, f"{was.rows:,} rows before, {now.rows:,} after"))
    for column, value in was.columns.items():
        if column not in now.columns:
            found.append(Loss(name, column, "the column is gone"))
        elif now.columns[column] != value and was.rows == now.rows:
            found.append(Loss(name, column, "its values are not what they were"))
    return found
