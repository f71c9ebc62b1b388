"""What a schedule left behind: the rows of the observed tables, made fit to be compared with another schedule's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

from psycopg import sql

from inboxbench.database import Connection
from inboxbench.errors import unknown

Kind = Literal["plain", "clock", "generated"]
Row = tuple[str, ...]
Rows = Sequence[Sequence[str | None]]
# Table → its rows as text, in an order that does not depend on how they came there.
State = Mapping[str, tuple[Row, ...]]

A_TIME, NEW, NULL = "<a time>", "<new>", "NULL"


@dataclass(frozen=True, slots=True)
class Column:
    """source: the table and column whose sequence or random value this is."""

    name: str
    kind: Kind
    source: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table to look at, and the query that reads it as text."""

    name: str
    columns: tuple[Column, ...]
    query: sql.Composed


@dataclass
class Observer:
    """Reads the state. Clocks count as set or not; ids that were not there after a reset count as new, whichever.

    So two schedules that differ in nothing but the time and in numbers from a sequence leave the same behind.
    """

    tables: tuple[Table, ...]
    _known: dict[str, set[str]] = field(default_factory=dict)

    def remember(self, control: Connection) -> None:
        """Take the ids that are there now, after a reset, for old ones."""
        self._known = {}
        for table in self.tables:
            for row in _rows(control, table):
                for column, cell in zip(table.columns, row, strict=True):
                    if column.kind == "generated" and cell is not None:
                        self._known.setdefault(column.source, set()).add(cell)

    def rows(self, control: Connection) -> dict[str, Rows]:
        """As they stand, to be made comparable later."""
        return {table.name: _rows(control, table) for table in self.tables}

    def comparable(self, rows: Mapping[str, Rows]) -> State:
        return {table.name: tuple(sorted(self._row(table, row) for row in rows[table.name])) for table in self.tables}

    def state(self, control: Connection) -> State:
        return self.comparable(self.rows(control))

    def _row(self, table: Table, row: Sequence[str | None]) -> Row:
        return tuple(self._cell(column, cell) for column, cell in zip(table.columns, row, strict=True))

    def _cell(self, column: Column, cell: str | None) -> str:
        if cell is None:
            return NULL
        if column.kind == "clock":
            return A_TIME
        if column.kind == "generated" and cell not in self._known.get(column.source, ()):
            return NEW
        return cell


def _rows(control: Connection, table: Table) -> Rows:
    return control.execute(table.query).fetchall()


def observe(control: Connection, names: Sequence[str] = ()) -> Observer:
    """Watch the named tables, or all of them. Raises UsageError for a table that is not there."""
    found: dict[tuple[str, str], list[Column]] = {}
    query = (files("inboxbench.race.explore") / "observed.sql").read_text(encoding="utf-8")
    for schema, table, column, kind, source in control.execute(query.encode()):
        found.setdefault((schema, table), []).append(Column(column, kind, source))
    tables = {table if schema == "public" else f"{schema}.{table}": (schema, table) for schema, table in found}
    for name in names:
        if name not in tables:
            raise unknown("table", name, tables)
    return Observer(tuple(_table(name, tables[name], found[tables[name]]) for name in names or tables))


def _table(name: str, place: tuple[str, str], columns: Sequence[Column]) -> Table:
    cells = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in columns)
    return Table(name, tuple(columns), sql.SQL("SELECT {} FROM {}").format(cells, sql.Identifier(*place)))
