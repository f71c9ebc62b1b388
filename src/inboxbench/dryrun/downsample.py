"""Reduce a copy to a share of its rows, to see how a migration's cost grows; and count rows, to say with what.

Rows go at random, and none is left whose parent is gone. Triggers and foreign keys are off while rows go, and every
table is rewritten afterwards, so that its pages are as full as in a smaller database. Tables of fewer than a hundred
rows stay whole: they hold settings, or the migration tool's own state.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.server import Server

FEW_ROWS = 100
_SLACK = 1.1
_PARTS = 1_000_000
_KEYS = """
    SELECT child.nspname || '.' || c.relname, parent.nspname || '.' || p.relname,
           array(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute ON attrelid = k.conrelid AND attnum = u.n ORDER BY place),
           array(SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute ON attrelid = k.confrelid AND attnum = u.n ORDER BY place)
    FROM pg_constraint k
    JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace child ON child.oid = c.relnamespace
    JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace parent ON parent.oid = p.relnamespace
    WHERE k.contype = 'f' AND k.conparentid = 0
"""
_TABLES = """
    SELECT nspname, relname, reltuples::bigint FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND relpersistence = 'p'
    ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key: child and parent as schema.name, the columns of both in the same order."""

    child: str
    parent: str
    columns: tuple[str, ...]
    referred: tuple[str, ...]


def count_rows(connection: Connection) -> dict[str, int]:
    """Count the rows of each table, by schema.name."""
    tables = [f"{schema}.{name}" for schema, name, _estimate in connection.execute(_TABLES)]
    return {table: _count(connection, table) for table in tables}


def _count(connection: Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(_name(table))).fetchone()
    assert row is not None
    return int(row[0])


def estimate_rows(connection: Connection) -> dict[str, int]:
    """Read the rows of each table off pg_class.reltuples; a table that was never analysed is missing."""
    rows = connection.execute(_TABLES)
    return {f"{schema}.{name}": int(estimate) for schema, name, estimate in rows if estimate >= 0}


def downsample(server: Server, database: str, share: float) -> None:
    """Leave about `share` of the rows of each larger table, parents before children."""
    with connect(server.conninfo(database)) as connection:
        connection.execute("SET session_replication_role = replica")
        keys = [
            Key(child, parent, tuple(ours), tuple(theirs)) for child, parent, ours, theirs in connection.execute(_KEYS)
        ]
        wanted = {table: rows * share for table, rows in count_rows(connection).items() if rows >= FEW_ROWS}
        for table in _parents_first(list(wanted), keys):
            _reduce(connection, table, wanted[table])
            _drop_orphans(connection, keys)
        connection.execute("VACUUM FULL")
        connection.execute("ANALYZE")


def _parents_first(tables: list[str], keys: list[Key]) -> list[str]:
    """Order tables so that those referred to come first; where keys form a cycle, by name."""
    placed: list[str] = []
    while left := sorted(set(tables) - set(placed)):
        waiting = {key.child for key in keys if key.parent in left and key.parent != key.child}
        placed += [table for table in left if table not in waiting] or left[:1]
    return placed


def _reduce(connection: Connection, table: str, wanted: float) -> None:
    """Delete by a hash of where a row lies, so that the same rows go each time. Orphans are gone by then."""
    now = _count(connection, table)
    if now > wanted * _SLACK:
        kept = int(wanted / now * _PARTS)
        statement = sql.SQL("DELETE FROM {} WHERE (hashtext(ctid::text)::bigint & 2147483647) % {} >= {}")
        connection.execute(statement.format(_name(table), sql.Literal(_PARTS), sql.Literal(kept)))


def _drop_orphans(connection: Connection, keys: list[Key]) -> None:
    """Delete rows whose parent is gone, until none is left: a key that is added or validated must find its parent."""
    while sum(connection.execute(_orphans(key)).rowcount for key in keys):
        pass


def _orphans(key: Key) -> sql.Composed:
    pairs = list(zip(key.columns, key.referred, strict=True))
    same = [sql.SQL("p.{} = c.{}").format(sql.Identifier(theirs), sql.Identifier(ours)) for ours, theirs in pairs]
    known = [sql.SQL("c.{} IS NOT NULL").format(sql.Identifier(ours)) for ours in key.columns]
    return sql.SQL("DELETE FROM {} c WHERE {} AND NOT EXISTS (SELECT FROM {} p WHERE {})").format(
        _name(key.child), sql.SQL(" AND ").join(known), _name(key.parent), sql.SQL(" AND ").join(same)
    )


def _name(table: str) -> sql.Identifier:
    return sql.Identifier(*table.split(".", 1))
