"""The prepared template: the data at head without any index that is not a rule, frozen and analysed once.

Sets are built on clones of it, so that every set starts from the same pages, the same visibility map and the same
statistics: what differs between two cells is then the indexes alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from inboxbench.database import Connection, clone_database, connect, database_name, drop_database
from inboxbench.server import Server

# ANALYZE samples 300 rows for each unit of the target, so rows / 300 reads the whole table: no luck is left.
_ROWS_PER_TARGET = 300
_LOWEST_TARGET = 100
_HIGHEST_TARGET = 4_000  # tables above 1.2 million rows are sampled: a full read would not fit in memory

_SECONDARY = """
    SELECT n.nspname, i.relname
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE n.nspname = 'public' AND NOT x.indisunique AND NOT x.indisexclusion AND i.relkind = 'i'
    ORDER BY i.relname
"""
_TABLES = """
    SELECT relname
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
    ORDER BY relname
"""
_COLUMNS = """
    SELECT attname FROM pg_attribute
    WHERE attrelid = format('public.%%I', %s::text)::regclass AND attnum > 0 AND NOT attisdropped
    ORDER BY attnum
"""


def statistics_target(rows: int) -> int:
    """The target at which ANALYZE reads every row, within limits.

    >>> statistics_target(350_000), statistics_target(10), statistics_target(5_000_000)
    (1167, 100, 4000)
    """
    return min(max(-(-rows // _ROWS_PER_TARGET), _LOWEST_TARGET), _HIGHEST_TARGET)


def drop_secondary_indexes(connection: Connection) -> tuple[str, ...]:
    """Drop every index that is not unique, and say which: unique ones are rules, not speed."""
    found = connection.execute(_SECONDARY).fetchall()
    for schema, name in found:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(schema, name)))
    return tuple(name for _schema, name in found)


def analyse(connection: Connection, table: str, *, freeze: bool = False) -> None:
    """ANALYZE every row of `table`; with `freeze`, VACUUM it first so that no later read writes hint bits."""
    name = sql.Identifier(table)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    target = statistics_target(row[0] if row else 0)
    connection.execute("SELECT set_config('default_statistics_target', %s, false)", (str(target),))
    connection.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {}" if freeze else "ANALYZE {}").format(name))


def analyse_expressions(connection: Connection, table: str) -> None:
    """Collect the statistics of the table's index expressions, and leave those of its columns as they are.

    A column whose target is 0 is not analysed and keeps what it has; seconds instead of half a minute.
    """
    name = sql.Identifier(table)
    columns = connection.execute(_COLUMNS, (table,)).fetchall()
    freeze = sql.SQL(", ").join(
        [sql.SQL("ALTER COLUMN {} SET STATISTICS 0").format(sql.Identifier(column)) for (column,) in columns]
    )
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(name, freeze))
    analyse(connection, table)


def tables(connection: Connection) -> tuple[str, ...]:
    """Ordinary tables of the public schema, by name."""
    return tuple(name for (name,) in connection.execute(_TABLES).fetchall())


def strip(connection: Connection) -> None:
    """Turn a database into a template for measuring: secondary indexes dropped, tables frozen and analysed."""
    drop_secondary_indexes(connection)
    for table in tables(connection):
        analyse(connection, table, freeze=True)


@contextmanager
def prepared_template(server: Server, source: str) -> Iterator[str]:
    """The name of a stripped clone of `source`, dropped at the end of the block. `source` is only read."""
    name = database_name("template")
    clone_database(server, source, name, kind="bench-template")
    try:
        with connect(server.conninfo(name)) as connection:
            strip(connection)
        yield name
    finally:
        drop_database(server, name)
