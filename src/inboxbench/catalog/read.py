"""Read the description of a schema from PostgreSQL's own catalogues.

Definitions come from the server's deparsers (``pg_get_constraintdef`` and its kin), so two databases that
were written differently but mean the same read the same. Objects that belong to an extension are left out,
and so are NOT NULL constraints as rows of ``pg_constraint`` (new in version 18): the column says it already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, get_args

from psycopg import Connection
from psycopg.rows import tuple_row

from inboxbench.catalog.model import BOOKKEEPING, Catalog, Entry, Kind
from inboxbench.sqlfile import read_sections

_KINDS: tuple[Kind, ...] = get_args(Kind)
_QUERIES = read_sections(__file__)


def read_catalog(
    connection: Connection[Any], *, schema: str = "public", ignore: Collection[str] = BOOKKEEPING
) -> Catalog:
    """Describe a schema of a live database; the tables named in ``ignore`` are passed over."""
    entries = (entry for kind in _KINDS for entry in _read(connection, kind, schema))
    return Catalog(tuple(sorted(entry for entry in entries if entry.table not in ignore)))


def _read(connection: Connection[Any], kind: Kind, schema: str) -> Iterator[Entry]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        for table, name, definition, position in cursor.execute(_QUERIES[kind], {"schema": schema}):
            yield Entry(kind, table, name, definition.strip(), position)


def invalid_indexes(connection: Connection[Any], *, schema: str = "public") -> tuple[str, ...]:
    """Names of indexes that a failed CREATE INDEX CONCURRENTLY left behind: they cost writes, serve no read."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        return tuple(name for (name,) in cursor.execute(_QUERIES["invalid indexes"], {"schema": schema}))


def extensions(connection: Connection[Any]) -> tuple[str, ...]:
    """Extensions somebody created in this database, in order of name; plpgsql is in every one."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute("SELECT extname FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY extname")
        return tuple(name for (name,) in rows)
