"""Sizes of tables and indexes on disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row


@dataclass(frozen=True, slots=True)
class RelationSize:
    """Bytes of one table (heap with TOAST and maps, without indexes) or of one index; rows as last analysed."""

    table: str
    index: str | None
    bytes: int
    estimated_rows: int


_SIZES = """
SELECT c.relname, NULL, pg_table_size(c.oid), c.reltuples::bigint
FROM pg_class c
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
UNION ALL
SELECT c.relname, i.relname, pg_relation_size(i.oid), i.reltuples::bigint
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_class i ON i.oid = x.indexrelid
WHERE c.relnamespace = %(schema)s::regnamespace AND c.relkind = 'r'
ORDER BY 1, 2 NULLS FIRST
"""


def relation_sizes(connection: Connection[Any], *, schema: str = "public") -> tuple[RelationSize, ...]:
    """Every table followed by its indexes, in order of name."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(_SIZES, {"schema": schema}).fetchall()
    return tuple(RelationSize(table, index, size, max(rows, 0)) for table, index, size, rows in rows)
