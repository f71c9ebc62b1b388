"""`--downgrade`: the way back under traffic, measured like the way up, and whether data survives both.

Data survives when a checksum of every column is what it was before the way up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from psycopg import sql

from inboxbench.database import Connection, connect, first_row
from inboxbench.database_copy import cloned
from inboxbench.dryrun.more import Back, Loss
from inboxbench.dryrun.run import current_of, own_tables, run_segment
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.tools.process import run_tool
from inboxbench.dryrun.under_traffic import Load
from inboxbench.server import Server
from inboxbench.traffic.tables import VERSION_TABLE, Table, read_tables

BASE = "base"


@dataclass(frozen=True, slots=True)
class Sum:
    """columns: name → checksum over (key, value), the same in any order of the rows."""

    rows: int
    columns: Mapping[str, str]


def there_and_back(server: Server, template: str, tool: Tool, load: Load, *, target: str = "head") -> Back:
    """Migrate copies of `template`, to which no session may be connected, up to `target` and back.

    The losses are those of a copy without traffic: what traffic writes would look like data that changed.
    """
    floor = (current_of(server, template, tool) or [BASE])[0]
    with cloned(server, template) as copy:
        up = run_tool(tool, server.url(copy), target)
        if up.status:
            return Back(floor, f"the way up failed: {up.complaint}")
        down = run_segment(server, copy, tool, floor, load, downgrade=True)
    lost, error = ((), down.error) if down.error else _without_traffic(server, template, tool, target, floor)
    return Back(floor, error, lost, down.revisions, down.statements, down.traffic)


def _without_traffic(
    server: Server, template: str, tool: Tool, target: str, floor: str
) -> tuple[tuple[Loss, ...], str | None]:
    own = own_tables(server, template, tool)
    with cloned(server, template) as copy:
        with connect(server.conninfo(copy)) as connection:
            before = checksums(connection, own)
        for goal, downgrade in ((target, False), (floor, True)):
            ended = run_tool(tool, server.url(copy), goal, downgrade=downgrade)
            if ended.status:
                return (), f"without traffic {'the way back' if downgrade else 'the way up'} failed: {ended.complaint}"
        with connect(server.conninfo(copy)) as connection:
            return losses(before, checksums(connection, own)), None


def checksums(connection: Connection, without: Collection[str] = (VERSION_TABLE,)) -> dict[str, Sum]:
    """Of every table but those `without`, which are the migration tool's; reads each once."""
    return {table.full_name: _sum(connection, table) for table in read_tables(connection, without)}


def _sum(connection: Connection, table: Table) -> Sum:
    key = sql.SQL(", ").join(map(sql.Identifier, table.key))
    sums = [
        sql.SQL("coalesce(sum(hashtextextended(ROW({}{}{})::text, 0)::numeric), 0)::text").format(
            key, sql.SQL(", " if table.key else ""), sql.Identifier(column.name)
        )
        for column in table.columns
    ]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join([sql.SQL("count(*)"), *sums]), table.identifier)
    row = first_row(connection, query)
    return Sum(row[0], dict(zip((column.name for column in table.columns), row[1:], strict=True)))


def losses(before: Mapping[str, Sum], after: Mapping[str, Sum]) -> tuple[Loss, ...]:
    """Return what the tables of `before` have lost, or what was changed in them.

    A table or column that is new is none.
    """
    lost: list[Loss] = []
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            lost.append(Loss(name, None, f"the table is gone, and {was.rows:,} rows with it"))
        else:
            lost += _of_table(name, was, now)
    return tuple(lost)


def _of_table(name: str, was: Sum, now: Sum) -> list[Loss]:
    lost = []
    if was.rows != now.rows:
        lost.append(Loss(name, None, f"{was.rows:,} rows before, {now.rows:,} after"))
    for column, value in was.columns.items():
        if column not in now.columns:
            lost.append(Loss(name, column, "the column is gone"))
        elif now.columns[column] != value and was.rows == now.rows:
            lost.append(Loss(name, column, "its values are not what they were"))
    return lost
