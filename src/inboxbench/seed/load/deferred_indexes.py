"""Take keys and indexes off a schema before a load and put the same ones back after it.

The definitions come from the server's catalogue, so schema/*.sql stays their only source.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from inboxbench.database import Connection, connect

_INDEXES = """
    SELECT i.indrelid::regclass::text, c.relname, pg_get_indexdef(i.indexrelid), k.conname, k.contype
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
    WHERE i.indrelid::regclass::text = ANY (%s)
    ORDER BY array_position(%s::text[], i.indrelid::regclass::text), c.relname
"""
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE conrelid::regclass::text = ANY (%s) AND contype IN ('c', 'f')
    ORDER BY array_position(%s::text[], conrelid::regclass::text), conname
"""


# Of each of the connections that work side by side.
_SETTINGS = {
    "maintenance_work_mem": "512MB",
    "max_parallel_maintenance_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "synchronous_commit": "off",
}


@dataclass(frozen=True, slots=True)
class IndexPart:
    table: str
    name: str
    definition: str
    constraint: str | None  # its name when the index carries a primary key or a unique constraint
    primary: bool

    @property
    def names(self) -> frozenset[str]:
        """Those that it has one after the other: an index takes that of its constraint."""
        return frozenset(filter(None, (self.name, self.constraint)))


@dataclass(frozen=True, slots=True)
class ConstraintPart:
    table: str
    name: str
    foreign: bool
    definition: str


@dataclass(frozen=True, slots=True)
class Parts:
    """What was taken off, largest tables first as given."""

    indexes: list[IndexPart]
    constraints: list[ConstraintPart]


def read_parts(connection: Connection, tables: list[str]) -> Parts:
    indexes = connection.execute(_INDEXES, (tables, tables)).fetchall()
    constraints = connection.execute(_CONSTRAINTS, (tables, tables)).fetchall()
    return Parts(
        [IndexPart(t, name, text, key, kind == "p") for t, name, text, key, kind in indexes],
        [ConstraintPart(t, name, kind == "f", text) for t, name, kind, text in constraints],
    )


def _alter(table: str, action: LiteralString, *parts: sql.Composable) -> sql.Composed:
    return sql.SQL("ALTER TABLE {} ").format(sql.Identifier(table)) + sql.SQL(action).format(*parts)


def strip(connection: Connection, tables: list[str]) -> Parts:
    """Drop foreign keys, checks, keys and indexes of `tables`, and switch their triggers off."""
    parts = read_parts(connection, tables)
    with connection.transaction():
        for check in sorted(parts.constraints, key=lambda part: not part.foreign):
            connection.execute(_alter(check.table, "DROP CONSTRAINT {}", sql.Identifier(check.name)))
        for index in parts.indexes:
            if index.constraint:
                connection.execute(_alter(index.table, "DROP CONSTRAINT {}", sql.Identifier(index.constraint)))
            else:
                connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index.name)))
        for table in tables:
            connection.execute(_alter(table, "DISABLE TRIGGER USER"))
    return parts


def in_parallel(conninfo: str, statements: Iterable[sql.SQL | sql.Composed], done: Callable[[], None]) -> None:
    """Run statements on as many connections as there are processors, in the order given, each for itself.

    When one fails, or we are interrupted, those that run are cancelled: an index build would hold us up for long.
    """
    running: set[Connection] = set()

    def run(statement: sql.SQL | sql.Composed) -> None:
        with connect(conninfo, autocommit=True, **_SETTINGS) as connection:
            running.add(connection)
            try:
                connection.execute(statement)
            finally:
                running.discard(connection)
        done()

    with ThreadPoolExecutor(min(4, len(os.sched_getaffinity(0)))) as pool:
        started = [pool.submit(run, statement) for statement in statements]
        try:
            for future in started:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for connection in list(running):
                connection.cancel_safe()
            raise


def steps(parts: Parts, tables: list[str]) -> int:
    """How often `restore` reports that something is done."""
    foreign = sum(part.foreign for part in parts.constraints)
    return len(parts.indexes) + len(tables) + foreign + 1


def restore(conninfo: str, parts: Parts, tables: list[str], done: Callable[[], None]) -> None:
    """Indexes, keys and checks, VACUUM (ANALYZE), foreign keys; calls `done` after each step.

    The vacuum comes before the foreign keys: their validation then reads pages with hint bits and plans with
    statistics.
    """
    in_parallel(conninfo, [sql.SQL(part.definition) for part in parts.indexes], done)
    with connect(conninfo) as connection:
        _add_keys_and_checks(connection, parts, tables)
        done()
    vacuum = sql.SQL("VACUUM (ANALYZE, BUFFER_USAGE_LIMIT 0) {}")
    with connect(conninfo) as connection:
        if connection.info.server_version < 160000:
            vacuum = sql.SQL("VACUUM (ANALYZE) {}")
    in_parallel(conninfo, [vacuum.format(sql.Identifier(table)) for table in tables], done)
    with connect(conninfo) as connection:
        _add_foreign_keys(connection, parts, done)
        for table in tables:
            connection.execute(_alter(table, "ENABLE TRIGGER USER"))


def _add_keys_and_checks(connection: Connection, parts: Parts, tables: list[str]) -> None:
    """One ALTER TABLE per table, so that its rows are read once for all checks."""
    for table in tables:
        actions = [
            sql.SQL("ADD CONSTRAINT {} {} USING INDEX {}").format(
                sql.Identifier(part.constraint or ""),
                sql.SQL("PRIMARY KEY" if part.primary else "UNIQUE"),
                sql.Identifier(part.name),
            )
            for part in parts.indexes
            if part.table == table and part.constraint
        ]
        actions += [_addition(part) for part in parts.constraints if part.table == table and not part.foreign]
        if actions:
            connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(table), sql.SQL(", ").join(actions)))


def _addition(part: ConstraintPart) -> sql.Composed:
    definition = sql.SQL(part.definition)
    return sql.SQL("ADD CONSTRAINT {} {}").format(sql.Identifier(part.name), definition)


def _add_foreign_keys(connection: Connection, parts: Parts, done: Callable[[], None]) -> None:
    for part in parts.constraints:
        if part.foreign:
            connection.execute(sql.SQL("ALTER TABLE {} {}").format(sql.Identifier(part.table), _addition(part)))
            done()
