"""The tables of somebody's schema as deployed code knows them, and rows of theirs to make requests of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from inboxbench.database import Connection

_TABLES = (Path(__file__).with_name("tables.sql")).read_bytes()
_SAMPLED, _SMALL = 500, 20_000
VERSION_TABLE = "alembic_version"

# A row as text: every type reads what it writes, and an unknown literal fits whatever a column is.
Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Column:
    """automatic: an identity or a sequence fills it; reference: of a foreign key; length: of varchar and char."""

    name: str
    type: str
    category: str
    length: int | None
    generated: bool
    automatic: bool
    reference: bool
    indexed: bool


@dataclass(frozen=True, slots=True)
class Key:
    """A unique index or an exclusion constraint. plain: over columns alone, and every row."""

    primary: bool
    plain: bool
    immediate: bool
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    schema: str
    name: str
    rows: int
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def title(self) -> str:
        """As a person says it: without the schema that everybody has."""
        return self.name if self.schema == "public" else self.full_name

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that find one row: of the primary key, else of a unique one; () when there is none."""
        return next((key.columns for key in self.keys if key.plain and key.columns), ())


def read_tables(connection: Connection, without: Collection[str] = (VERSION_TABLE,)) -> tuple[Table, ...]:
    """Read all tables, largest first as far as the server's statistics know, but those `without` (name or schema.name).

    Partitions are reached through their parent.
    """
    with connection.cursor() as cursor:
        rows = cursor.execute(_TABLES, {"without": list(without)}).fetchall()
    return tuple(
        Table(schema, name, count, tuple(Column(**column) for column in columns or ()), tuple(map(_key, keys or ())))
        for schema, name, count, columns, keys in rows
    )


def _key(key: dict[str, Any]) -> Key:
    return Key(key["primary"], key["plain"], key["immediate"], tuple(key["columns"] or ()))


def sample_rows(connection: Connection, table: Table) -> Sequence[Row]:
    """Return up to 500 rows, from all over a large table."""
    columns = sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier(column.name)) for column in table.columns if not column.generated
    )
    spread = sql.SQL("TABLESAMPLE SYSTEM ({})").format(sql.Literal(min(100.0, 100.0 * _SMALL / max(1, table.rows))))
    query = sql.SQL("SELECT {} FROM {} {} ORDER BY random() LIMIT {}").format(
        columns, table.identifier, spread, sql.Literal(_SAMPLED)
    )
    names = [column.name for column in table.columns if not column.generated]
    return [dict(zip(names, row, strict=True)) for row in connection.execute(query)] if names else []
