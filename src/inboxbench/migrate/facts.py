"""What the catalog says is there already: each step asks first, so that it can be run again after a crash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

from psycopg import sql
from psycopg.abc import Params

from inboxbench.database import Connection, first_row, with_names
from inboxbench.sqlfile import read_sections


@dataclass(frozen=True, slots=True)
class IndexFact:
    """definition is pg_get_indexdef from USING on; valid is false for what a failed CONCURRENTLY left behind."""

    table: str
    valid: bool
    unique: bool
    definition: str


_QUERIES = read_sections(__file__)


def _row(connection: Connection, query: LiteralString, parameters: Params) -> tuple[Any, ...] | None:
    return connection.execute(query, parameters).fetchone()


def table_exists(connection: Connection, table: str) -> bool:
    """Return whether there is a table of that name on the search path."""
    return bool(first_row(connection, "SELECT to_regclass(quote_ident(%s)) IS NOT NULL", (table,))[0])


def column_type(connection: Connection, table: str, column: str) -> str | None:
    """Return the column's type as PostgreSQL spells it; None when there is no such column."""
    row = _row(connection, _QUERIES["column"], (table, column))
    return str(row[0]) if row else None


def is_not_null(connection: Connection, table: str, column: str) -> bool:
    row = _row(connection, _QUERIES["column"], (table, column))
    return bool(row and row[1])


def spelled_type(connection: Connection, type_name: str) -> str:
    """PostgreSQL's own spelling: timestamptz → timestamp with time zone."""
    return str(first_row(connection, "SELECT %s::regtype::text", (type_name,))[0])


def index(connection: Connection, name: str) -> IndexFact | None:
    row = _row(connection, _QUERIES["index"], (name,))
    return IndexFact(*row) if row else None


def constraint_validated(connection: Connection, table: str, name: str) -> bool | None:
    """True or False for an existing constraint, None when there is none of that name."""
    row = _row(connection, _QUERIES["constraint"], (table, name))
    return bool(row[0]) if row else None


def trigger_exists(connection: Connection, table: str, name: str) -> bool:
    return _row(connection, _QUERIES["trigger"], (table, name)) is not None


def would_be_index(connection: Connection, table: str, definition: sql.Composable) -> str:
    """Return how PostgreSQL would spell `definition`: built on an empty copy of the table that is rolled back."""
    with connection.transaction(force_rollback=True):
        connection.execute(with_names("CREATE TEMPORARY TABLE index_probe (LIKE {})", table))
        connection.execute(with_names("CREATE INDEX index_probe_idx ON pg_temp.index_probe {}", definition))
        fact = index(connection, "index_probe_idx")
    assert fact is not None
    return fact.definition
