"""The prepared template: the data at head without any index that is not a rule, in key order, frozen and analysed once.

Sets are built on clones of it, so that every set starts from the same pages, the same visibility map and the same
statistics: what differs between two cells is then the indexes alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from psycopg import sql

from inboxbench.database import Connection, clone_database, connect, drop_database
from inboxbench.database_marks import database_name
from inboxbench.server import Server
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

# The schema and the name of a table.
Relation = tuple[str, str]

# ANALYZE samples 300 rows for each unit of the target, so rows / 300 reads the whole table: no luck is left.
_ROWS_PER_TARGET = 300
_LOWEST_TARGET = 100
_HIGHEST_TARGET = 4_000  # tables above 1.2 million rows are sampled: a full read would not fit in memory

# The window has no order of its own: it sees rows as they lie, and stops at the first that lies before its turn.
_OUT_OF_ORDER = """
    SELECT FROM (SELECT ROW({key}) AS own, lag(ROW({key})) OVER () AS before FROM {table}) lying
    WHERE own < before LIMIT 1
"""
# A scan of the table itself, from its first page.
_AS_IT_LIES = {
    "enable_indexscan": "off",
    "enable_indexonlyscan": "off",
    "enable_bitmapscan": "off",
    "synchronize_seqscans": "off",
    "max_parallel_workers_per_gather": "0",
}


def statistics_target(rows: int) -> int:
    """The target at which ANALYZE reads every row, within limits.

    >>> statistics_target(350_000), statistics_target(10), statistics_target(5_000_000)
    (1167, 100, 4000)
    """
    return min(max(-(-rows // _ROWS_PER_TARGET), _LOWEST_TARGET), _HIGHEST_TARGET)


def drop_secondary_indexes(connection: Connection) -> tuple[str, ...]:
    """Drop every index that is not unique, and say which: unique ones are rules, not speed."""
    rows = connection.execute(_SQL["secondary"]).fetchall()
    for schema, name in rows:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(schema, name)))
    return tuple(name for _schema, name in rows)


def analyse(connection: Connection, table: Relation, *, freeze: bool = False) -> None:
    """ANALYZE every row of `table`; with `freeze`, VACUUM it first so that no later read writes hint bits."""
    name = sql.Identifier(*table)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    target = statistics_target(row[0] if row else 0)
    connection.execute("SELECT set_config('default_statistics_target', %s, false)", (str(target),))
    connection.execute(sql.SQL("VACUUM (FREEZE, ANALYZE) {}" if freeze else "ANALYZE {}").format(name))


def analyse_all(connection: Connection, *, freeze: bool = True) -> None:
    """ANALYZE every table whole; with `freeze`, VACUUM each first, as every lab begins."""
    for table in tables(connection):
        analyse(connection, table, freeze=freeze)
    for table in connection.execute(_SQL["partitioned"]).fetchall():
        analyse(connection, table)  # what its partitions are together; nobody else analyses it


def hold_still(connection: Connection) -> None:
    """No autovacuum on these tables: on a server of somebody else's it would come in at a moment of its own."""
    for table in tables(connection):
        connection.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(sql.Identifier(*table)))


def vacuum(connection: Connection) -> None:
    """VACUUM as a DBA types it, table by table: it may leave few dead entries where they are, as it does there."""
    for table in tables(connection):
        connection.execute(sql.SQL("VACUUM {}").format(sql.Identifier(*table)))


def analyse_expressions(connection: Connection, table: Relation) -> None:
    """Collect the statistics of the table's index expressions, and leave those of its columns as they are.

    A column whose target is 0 is not analysed and keeps what it has; seconds instead of half a minute.
    """
    name = sql.Identifier(*table)
    columns = connection.execute(_SQL["columns"], table).fetchall()
    _set_targets(connection, name, [(column, 0) for column, _target in columns])
    analyse(connection, table)
    _set_targets(connection, name, columns)


def _set_targets(connection: Connection, table: sql.Identifier, targets: Sequence[tuple[str, int]]) -> None:
    parts = [
        sql.SQL("ALTER COLUMN {} SET STATISTICS {}").format(sql.Identifier(column), sql.Literal(target))
        for column, target in targets
    ]
    connection.execute(sql.SQL("ALTER TABLE {} {}").format(table, sql.SQL(", ").join(parts)))


def tables(connection: Connection) -> tuple[Relation, ...]:
    """Return ordinary tables and filled materialized views of all schemas, those of `public` first."""
    return tuple((schema, name) for schema, name in connection.execute(_SQL["tables"]).fetchall())


def lay_out(connection: Connection) -> tuple[Relation, ...]:
    """Rewrite tables whose rows do not lie in the order of their key, which is that of arrival, and say which.

    Backfills take batches as large as the moment allows, so that rows come to lie elsewhere in each run: pages touched
    would differ by a few per cent between two runs of the same migrations. A table that lies in order already costs one
    scan; drop secondary indexes first, or each is built anew for nothing.
    """
    moved = []
    for schema, table, index, columns in connection.execute(_SQL["keys"]).fetchall():
        if _out_of_order(connection, (schema, table), columns):
            names = (sql.Identifier(schema, table), sql.Identifier(index))
            connection.execute(sql.SQL("CLUSTER {} USING {}").format(*names))
            moved.append((schema, table))
    return tuple(moved)


def _out_of_order(connection: Connection, table: Relation, columns: Sequence[str]) -> bool:
    key = sql.SQL(", ").join(map(sql.Identifier, columns))
    with connection.transaction(force_rollback=True):
        for setting, value in _AS_IT_LIES.items():
            connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
        look = sql.SQL(_OUT_OF_ORDER).format(key=key, table=sql.Identifier(*table))
        return connection.execute(look).fetchone() is not None


def strip(connection: Connection, *, as_is: bool = False, as_source: bool = False) -> None:
    """Turn a database into a template for measuring: secondary indexes dropped, rows in key order (`as_is`: where they
    lie), tables frozen and analysed."""
    drop_secondary_indexes(connection)
    if not as_is:
        lay_out(connection)
    if as_source:
        hold_still(connection)
    analyse_all(connection, freeze=not as_source)


@contextmanager
def prepared_template(server: Server, source: str, *, as_is: bool = False, as_source: bool = False) -> Iterator[str]:
    """Yield the name of a stripped clone of `source`, dropped at the end of the block. `source` is only read."""
    name = database_name("template")
    clone_database(server, source, name, kind="bench-template")
    try:
        with connect(server.conninfo(name)) as connection:
            strip(connection, as_is=as_is, as_source=as_source)
        yield name
    finally:
        drop_database(server, name)
