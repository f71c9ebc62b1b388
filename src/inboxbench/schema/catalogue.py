"""A schema as PostgreSQL's own catalogues have it: every definition is the server's, so spelling makes no difference.

Objects of extensions and of the system are left out, and so are tables in which tools record what they migrated.
Partitions are left out, too: their parent stands for them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from psycopg import sql

from inboxbench.catalog import BOOKKEEPING
from inboxbench.database import Connection
from inboxbench.schema.model import Column, Constraint, Index, Key, Schema, Table, Type
from inboxbench.sqlfile import read_sections

RECORDS = BOOKKEEPING | {
    "schema_migrations", "ar_internal_metadata", "django_migrations", "flyway_schema_history", "databasechangelog",
    "databasechangeloglock", "goose_db_version", "knex_migrations", "_prisma_migrations",
}  # fmt: skip
_QUERIES = read_sections(__file__)


def read_schema(connection: Connection, label: str) -> Schema:
    """Return all tables and types of a database that are its owner's. The database is only read."""
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        schemas = [name for (name,) in connection.execute(_QUERIES["schemas"])]
        path = sql.SQL(", ").join(map(sql.Identifier, schemas)) if schemas else sql.SQL("''")
        connection.execute(sql.SQL("SET LOCAL search_path = {}").format(path))  # so that definitions are short
        tables = [row for row in connection.execute(_QUERIES["tables"], {"schemas": schemas}) if row[2] not in RECORDS]
        types = [Type(*row) for row in connection.execute(_QUERIES["types"], {"schemas": schemas})]
        parts = _parts(connection, [row[0] for row in tables])
    return Schema(label, [_table(row, parts) for row in tables], types)


def _parts(connection: Connection, tables: list[int]) -> dict[str, dict[int, list[Any]]]:
    """Columns, indexes and constraints by table."""
    named = {"tables": tables}
    keys = _grouped((row[0], Key(*row[2:])) for row in connection.execute(_QUERIES["keys"], named))
    return {
        "columns": _grouped((row[0], Column(*row[1:])) for row in connection.execute(_QUERIES["columns"], named)),
        "indexes": _grouped(
            (row[0], _index(row, keys[row[1]])) for row in connection.execute(_QUERIES["indexes"], named)
        ),
        "constraints": _grouped(
            (row[0], Constraint(*row[1:])) for row in connection.execute(_QUERIES["constraints"], named)
        ),
    }


def _grouped(pairs: Iterable[tuple[int, Any]]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups


def _index(row: tuple[Any, ...], keys: list[Key]) -> Index:
    _table_id, _index_id, name, method, unique, nulls_equal, where, constraint, timing, valid, count = row
    include = [key.term for key in keys[count:]]
    return Index(name, method, keys[:count], include, unique, nulls_equal, where, constraint, timing, valid)


def _table(row: tuple[Any, ...], parts: dict[str, dict[int, list[Any]]]) -> Table:
    number, schema, name, kind, partitioned = row
    return Table(schema, name, kind, partitioned, **{part: groups[number] for part, groups in parts.items()})
