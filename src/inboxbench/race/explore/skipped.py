"""Queues: what `SKIP LOCKED` allows, and the serial order does not, without losing an item or giving it away twice.

A statement that skips locked rows may take another item than it would alone, or none. So a schedule of a queue is also
right when some order of the sessions comes to the same while somebody else has locked, during each session's run, all
items but those that it took in the schedule. An item that two took is not there for the second one of any order, and
one that is lost is left by each: both stay bad.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq, sql

from inboxbench.database import Connection

_PRIMARY_KEY = """
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
    WHERE i.indrelid = to_regclass(%s) AND i.indisprimary
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a statement with SKIP LOCKED gave: the names of its columns, and its rows as text."""

    text: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def skips(text: str) -> bool:
    """Return whether a statement skips locked rows."""
    return "skip locked" in " ".join(text.lower().split())


def taken_by(text: str, cursor: psycopg.Cursor[object] | None) -> Taken | None:
    """Return what a statement took that skips locked rows; None where it does not, or says nothing of its rows."""
    result = cursor.pgresult if cursor is not None else None
    if result is None or result.status != pq.ExecStatus.TUPLES_OK or not skips(text):
        return None
    columns = tuple((result.fname(column) or b"").decode() for column in range(result.nfields))
    rows = tuple(
        tuple((result.get_value(row, column) or b"").decode() for column in range(result.nfields))
        for row in range(result.ntuples)
    )
    return Taken(text, columns, rows)


def hiding(control: Connection, tables: Iterable[str], taken: Sequence[Taken]) -> list[sql.Composed]:
    """Return statements that lock each item but those that a session took, so that it would take the same ones again.

    tables: of the database. Those of the statements are locked whose primary key is among the columns that were given.
    """
    return [statement for table in tables for statement in _hiding(control, table, taken)]


def _hiding(control: Connection, table: str, taken: Sequence[Taken]) -> Iterator[sql.Composed]:
    name = table.rpartition(".")[2]
    here = [take for take in taken if name in take.text]
    row = control.execute(_PRIMARY_KEY, (table,)).fetchone() if here else None
    key: list[str] = row[0] if row and row[0] else []
    if not key or not all(set(key) <= set(take.columns) for take in here):
        return
    keys = [tuple(line[take.columns.index(column)] for column in key) for take in here for line in take.rows]
    cells = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(column)) for column in key)
    kept = sql.SQL(" WHERE ({}) NOT IN ({})").format(
        cells, sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, line))) for line in keys)
    )
    place = sql.Identifier(*table.split("."))
    yield sql.SQL("SELECT FROM {}{} FOR UPDATE").format(place, kept if keys else sql.SQL(""))
