"""A share of a copy's rows, to see how a chain's cost grows: at random, with no row whose parent is gone.

Triggers and foreign keys are off meanwhile, and every table is written anew afterwards, so that pages are as full as
they would be in a smaller database. Tables of fewer than a hundred rows stay whole: settings, or Alembic's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.dryrun.row_counts import count_rows
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


@dataclass(frozen=True, slots=True)
class Key:
    """A foreign key: child and parent as schema.name, the columns of both in the same order."""

    child: str
    parent: str
    columns: tuple[str, ...]
    referred: tuple[str, ...]


def thin(server: Server, database: str, share: float) -> None:
    """Leave about `share` of the rows of each larger table, parents before children."""
    with connect(server.conninfo(database)) as connection:
        connection.execute("SET session_replication_role = replica")
        keys = [Key(child, parent, tuple(ours), tuple(theirs)) for child, parent, ours, theirs in _keys(connection)]
        wanted = {table: rows * share for table, rows in count_rows(connection).items() if rows >= FEW_ROWS}
        for table in _parents_first(list(wanted), keys):
            _reduce(connection, table, wanted[table])
            _drop_orphans(connection, keys)
        connection.execute("VACUUM FULL")
        connection.execute("ANALYZE")


def _keys(connection: Connection) -> list[tuple[str, str, list[str], list[str]]]:
    return connection.execute(_KEYS).fetchall()


def _parents_first(tables: list[str], keys: list[Key]) -> list[str]:
    """Where keys go round in a circle, by name."""
    placed: list[str] = []
    while left := sorted(set(tables) - set(placed)):
        waiting = {key.child for key in keys if key.parent in left and key.parent != key.child}
        placed += [table for table in left if table not in waiting] or left[:1]
    return placed


def _reduce(connection: Connection, table: str, wanted: float) -> None:
    """By a hash of where a row lies: the same rows each time. Children of rows that are gone went before."""
    name = _name(table)
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(name)).fetchone()
    now = int(row[0]) if row else 0
    if now > wanted * _SLACK:
        kept = int(wanted / now * _PARTS)
        statement = sql.SQL("DELETE FROM {} WHERE (hashtext(ctid::text)::bigint & 2147483647) % {} >= {}")
        connection.execute(statement.format(name, sql.Literal(_PARTS), sql.Literal(kept)))


def _drop_orphans(connection: Connection, keys: list[Key]) -> None:
    """Until none is left, so that a key that the chain adds or validates finds what it refers to."""
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
