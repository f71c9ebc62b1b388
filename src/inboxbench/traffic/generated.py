"""Requests for a schema of which nothing else is known: point selects, ranges, inserts and updates of each table.

Statements name the columns that are there when the traffic is made, as deployed code does: a column that the history
drops or renames, or a NOT NULL it adds without a default, shows as an error. An insert copies a row of the table's own,
with new values in the columns of its unique keys, so that foreign keys and checks hold; it is rolled back like every
write made here. Each statement is tried once: one that cannot run on this schema is left out and named.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection
from inboxbench.server import reason
from inboxbench.traffic.engine import Draw, Query, RequestClass
from inboxbench.traffic.tables import VERSION_TABLE, Column, Key, Row, Table, read_tables, sample_rows

MOST_TABLES = 12
_RANGE = 20
_INTEGERS = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**62}
_SHORTEST = 4  # of fewer characters there are not enough
_WEIGHTS = {"select": 4.0, "range": 2.0, "insert": 2.0, "update": 2.0}
# So that a deferrable foreign key is checked although the insert never commits.
_CHECK_NOW = sql.SQL("SET CONSTRAINTS ALL IMMEDIATE")


@dataclass(frozen=True, slots=True)
class Generated:
    """Requests that were made, and notes on what is not there, and why."""

    classes: tuple[RequestClass, ...]
    notes: tuple[str, ...]


def generate(
    connection: Connection, touched: frozenset[str] | None = None, without: Collection[str] = (VERSION_TABLE,)
) -> Generated:
    """Classes for the tables in `touched` (schema.name), else for the largest, and none for those `without`.

    The connection is autocommit.
    """
    every = read_tables(connection, without)
    tables = [table for table in every if touched is None or table.full_name in touched]
    classes: list[RequestClass] = []
    notes: list[str] = []
    if len(tables) < len(every):
        notes.append(f"traffic runs on the tables that the revisions to come name, {len(tables)} of {len(every)}")
    if len(tables) > MOST_TABLES:
        notes.append(f"traffic runs on the {MOST_TABLES} largest of {len(tables)} tables")
    for table in tables[:MOST_TABLES]:
        rows = sample_rows(connection, table)
        if not rows:
            notes.append(f"{table.title} is empty: its traffic only lists it")
        for candidates in _of_table(table, rows):
            item, problem = _first_that_runs(connection, candidates)
            if item is not None:
                classes.append(item)
            else:
                notes.append(f"no class `{candidates[0].name}`: {problem}")
    return Generated(tuple(classes), tuple(notes))


def _of_table(table: Table, rows: Sequence[Row]) -> Iterator[list[RequestClass]]:
    """For each kind the ways to do it, best first."""
    if table.columns:
        yield [_range(table, rows)]
    if rows and table.key:
        yield [_point(table, rows)]
        if changeable := _changeable(table)[:3]:
            yield [_update(table, rows, column) for column in changeable]
    if rows:
        yield [_insert(table, rows, renewed=True), _insert(table, rows, renewed=False)]


def _first_that_runs(connection: Connection, ways: Sequence[RequestClass]) -> tuple[RequestClass | None, str]:
    problem = ""
    for way in ways:
        try:
            with connection.transaction(force_rollback=True):
                for statement in way.statements:
                    connection.execute(statement, way.draw(Random(1)))
        except psycopg.Error as error:
            problem = reason(error)
        else:
            return way, ""
    return None, problem


def _class(table: Table, what: str, statements: tuple[Query, ...], draw: Draw) -> RequestClass:
    writes = what in ("insert", "update")
    return RequestClass(
        f"{what} {table.title}",
        "write" if writes else "read",
        _WEIGHTS[what],
        statements,
        draw,
        undo=writes,
        tables=(table.full_name,),
    )


def _name(*names: str) -> sql.Identifier:
    """A percent sign is doubled in everything that is executed with parameters."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def _of(table: Table) -> sql.Identifier:
    return _name(table.schema, table.name)


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(_name, names))


def _where(key: Sequence[str]) -> sql.Composed:
    """Parameters are p0, p1 …: a column's own name may hold what a placeholder must not."""
    pairs = (sql.SQL("{} = {}").format(_name(name), sql.Placeholder(f"p{i}")) for i, name in enumerate(key))
    return sql.SQL(" AND ").join(pairs)


def _all(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _by_key(table: Table, rows: Sequence[Row]) -> Draw:
    def draw(random: Random) -> Mapping[str, Any]:
        row = random.choice(rows)
        return {f"p{i}": row[name] for i, name in enumerate(table.key)}

    return draw


def _point(table: Table, rows: Sequence[Row]) -> RequestClass:
    query = sql.SQL("SELECT {} FROM {} WHERE {}").format(_names(_all(table)), _of(table), _where(table.key))
    return _class(table, "select", (query,), _by_key(table, rows))


def _range(table: Table, rows: Sequence[Row]) -> RequestClass:
    """Along the key from a row of its own; without one, whatever comes first."""
    start = sql.SQL("SELECT {} FROM {}").format(_names(_all(table)), _of(table))
    limit = sql.SQL(" LIMIT {}").format(sql.Literal(_RANGE))
    if not rows or not table.key:
        return _class(table, "range", (start + limit,), lambda _random: {})
    key = _name(table.key[0])
    along = sql.SQL(" WHERE {} >= {} ORDER BY {}").format(key, sql.Placeholder("p0"), key)
    return _class(table, "range", (start + along + limit,), _by_key(table, rows))


def _changeable(table: Table) -> list[Column]:
    """Those that no index and no key is over come first: writing them is what applications do most."""
    columns = [
        column for column in table.columns if not (column.generated or column.automatic or column.name in table.key)
    ]
    return sorted(columns, key=lambda column: (column.indexed, column.reference))


def _update(table: Table, rows: Sequence[Row], column: Column) -> RequestClass:
    name = _name(column.name)
    query = sql.SQL("UPDATE {} SET {} = {} WHERE {}").format(_of(table), name, name, _where(table.key))
    return _class(table, "update", (query,), _by_key(table, rows))


def _insert(table: Table, rows: Sequence[Row], *, renewed: bool) -> RequestClass:
    """A key that no new value can be made for (all of it foreign keys) meets its own row, and that is no error."""
    columns = [column for column in table.columns if not (column.generated or column.automatic)]
    new = _renewed(table) if renewed else ()
    values = sql.SQL(", ").join(sql.Placeholder(f"p{i}") for i, _ in enumerate(columns))
    tail = sql.SQL(" ON CONFLICT DO NOTHING" if all(key.immediate for key in table.keys) else "")
    shape = sql.SQL("({}) VALUES ({})" if columns else "DEFAULT VALUES")
    body = shape.format(_names([column.name for column in columns]), values)
    query = sql.SQL("INSERT INTO {} {}{}").format(_of(table), body, tail)

    def draw(random: Random) -> Mapping[str, Any]:
        row = random.choice(rows)
        return {
            f"p{i}": _new_value(column, random) if column.name in new else row[column.name]
            for i, column in enumerate(columns)
        }

    return _class(table, "insert", (query, _CHECK_NOW), draw)


def _renewed(table: Table) -> frozenset[str]:
    by_name = {column.name: column for column in table.columns}
    return frozenset(name for key in table.keys if (name := _renewable(key, by_name)))


def _renewable(key: Key, by_name: Mapping[str, Column]) -> str | None:
    """Return the column of a key that gets a new value; None when the server gives one, or none can be made."""
    columns = [by_name[name] for name in key.columns]
    if any(column.automatic for column in columns):
        return None
    able = [column for column in columns if _can_be_new(column) and not column.reference]
    return min(able, key=lambda column: column.category != "S").name if able else None


def _can_be_new(column: Column) -> bool:
    """Say whether the column's type has so many values that a drawn one is new."""
    if column.category == "S":
        return column.length is None or column.length >= _SHORTEST
    return column.type in (*_INTEGERS, "uuid", "timestamptz", "timestamp", "numeric")


def _new_value(column: Column, random: Random) -> str:
    """Draw a value that the table hardly has, as text. Raises ValueError for a type that `_can_be_new` refuses."""
    if column.category == "S":
        return f"{random.getrandbits(128):032x}"[: column.length]
    if column.type in _INTEGERS:
        return str(random.randint(_INTEGERS[column.type] // 2, _INTEGERS[column.type]))
    if column.type == "uuid":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    if column.type == "numeric":
        return str(random.getrandbits(16))
    if column.type in ("timestamptz", "timestamp"):
        return f"{random.randint(2100, 2900)}-01-01 00:00:{random.randint(0, 59):02d}.{random.randint(0, 999999):06d}"
    raise ValueError(f"no new values of type {column.type}")
