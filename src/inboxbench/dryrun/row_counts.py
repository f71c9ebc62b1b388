"""How many rows the tables of a database have: counted, or as its statistics say."""

from __future__ import annotations

from psycopg import sql

from inboxbench.database import Connection

_TABLES = """
    SELECT nspname, relname, reltuples::bigint FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND relpersistence = 'p'
    ORDER BY 1, 2
"""


def count_rows(connection: Connection) -> dict[str, int]:
    """Rows of each table, by schema.name."""
    found = {}
    for schema, name, _rows in connection.execute(_TABLES).fetchall():
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, name))).fetchone()
        found[f"{schema}.{name}"] = int(row[0]) if row else 0
    return found


def estimate_rows(connection: Connection) -> dict[str, int]:
    """As pg_class.reltuples has it; a table that was never analysed is missing."""
    rows = connection.execute(_TABLES).fetchall()
    return {f"{schema}.{name}": int(rows_) for schema, name, rows_ in rows if rows_ >= 0}
