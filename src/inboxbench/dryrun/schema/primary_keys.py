"""Primary keys as the catalogue has them, which a backfill in batches goes by; and tables that belong to another."""

from __future__ import annotations

from inboxbench.database import Connection, connect
from inboxbench.server import Server

_KEYS = """
    SELECT n.nspname || '.' || t.relname, coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY k.place), '')
    FROM pg_class AS t
    JOIN pg_namespace AS n ON n.oid = t.relnamespace
    LEFT JOIN pg_index AS i ON i.indrelid = t.oid AND i.indisprimary
    LEFT JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place) ON k.place <= i.indnkeyatts
    LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number
    WHERE t.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%%'
      AND (%(table)s::text IS NULL OR t.oid = to_regclass(%(table)s))
    GROUP BY n.nspname, t.relname
"""
_CHILDREN = """
    SELECT n.nspname || '.' || t.relname
    FROM pg_inherits JOIN pg_class AS t ON t.oid = inhrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
    WHERE t.relkind IN ('r', 'p', 'f')
"""


def primary_key(connection: Connection, table: str) -> str:
    """Its columns, quoted as they need it, with commas between; "" for a table without one, or that is not there."""
    row = connection.execute(_KEYS, {"table": table}).fetchone()
    return str(row[1]) if row else ""


def primary_keys(server: Server, database: str) -> dict[str, str]:
    """Of every table, by schema.name; "" where there is none."""
    with connect(server.conninfo(database)) as connection:
        return {str(name): str(key) for name, key in connection.execute(_KEYS, {"table": None})}


def child_tables(server: Server, database: str) -> set[str]:
    """Partitions, and tables that inherit, as schema.name."""
    with connect(server.conninfo(database)) as connection:
        return {str(name) for (name,) in connection.execute(_CHILDREN)}
