"""The one way to count what a block of statements does: statements sent, round trips, pages touched, WAL written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from inboxbench.database import Connection

# Since 18 a session's own WAL is counted; before, the server's, which others write to as well.
_OWN_WAL_SINCE = 180_000
_WAL = "SELECT wal_bytes::bigint FROM pg_stat_get_backend_wal(%(pid)s)"
_WAL_OF_ALL = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint WHERE %(pid)s IS NOT NULL"
_BUFFERS = """
    SELECT coalesce(sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0) + coalesce(idx_blks_read, 0)
        + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0)
        + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0)), 0)::bigint
    FROM pg_statio_user_tables
"""


class CountingConnection(psycopg.Connection[tuple[Any, ...]]):
    """Counts its round trips in `trips`. BEGIN travels with the first statement and is none of its own."""

    trips = 0

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        self.trips += 1
        return super().wait(*args, **kwargs)


@dataclass
class Statements:
    """The text of the statements that were sent, in order."""

    sent: list[str] = field(default_factory=list)

    def listed(self, most: int = 12) -> str:
        """Return each statement once, with how often it was sent, the most frequent first."""
        times: dict[str, int] = {}
        for text in self.sent:
            times[" ".join(text.split())] = times.get(" ".join(text.split()), 0) + 1
        ranked = sorted(times.items(), key=lambda item: -item[1])
        return "\n".join(f"  {count:>4} × {text[:160]}" for text, count in ranked[:most])


@contextmanager
def count_statements(connection: object) -> Iterator[Statements]:
    """Count the statements that the connection sends within the block.

    connection: psycopg's, or an Engine, Connection or Session of SQLAlchemy.
    """
    counted = Statements()
    with _psycopg(connection, counted) if isinstance(connection, psycopg.Connection) else _alchemy(connection, counted):
        yield counted


@contextmanager
def _psycopg(connection: psycopg.Connection[Any], counted: Statements) -> Iterator[None]:
    factory = connection.cursor_factory

    class Counting(factory):  # type: ignore[misc,valid-type]
        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            counted.sent.append(query if isinstance(query, str) else _text(query, connection))
            return super().execute(query, *args, **options)

    connection.cursor_factory = Counting
    try:
        yield
    finally:
        connection.cursor_factory = factory


def _text(query: Any, connection: psycopg.Connection[Any]) -> str:
    return query.as_string(connection) if isinstance(query, sql.Composable) else bytes(query).decode()


@contextmanager
def _alchemy(connection: object, counted: Statements) -> Iterator[None]:
    from sqlalchemy import event  # noqa: PLC0415 - not everybody's suite uses it

    bind = getattr(connection, "get_bind", lambda: connection)()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        counted.sent.append(statement)

    event.listen(bind, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(bind, "before_cursor_execute", note)


@dataclass(frozen=True, slots=True)
class Totals:
    """Holds what has been counted since the server started: 8 kB pages of tables and indexes, bytes of WAL."""

    buffers: int
    wal_bytes: int


def totals(worker: Connection, observer: Connection) -> Totals:
    """Return what the session `worker` has written and what all have touched, as `observer` sees it.

    The worker's transaction is committed: a session reports what it did once a second of its own accord, and at once
    when it is asked to. Pages are of all sessions on the database, so nobody else may be at work.
    """
    worker.execute("SELECT pg_stat_force_next_flush()")
    worker.commit()
    row = observer.execute(_BUFFERS.encode()).fetchone()
    assert row is not None
    return Totals(int(row[0]), _wal(observer, worker.info.backend_pid, own=_counts_own_wal(observer)))


def wal_written(connection: Connection) -> int:
    """Return the bytes of WAL that the session has written, to be compared with a later reading.

    Before PostgreSQL 18, or inside a transaction, which reports only when it ends, it is of the whole server.
    """
    idle = connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE
    own = idle and _counts_own_wal(connection)
    if own:
        connection.execute("SELECT pg_stat_force_next_flush()")
    return _wal(connection, connection.info.backend_pid, own=own)


def _counts_own_wal(connection: Connection) -> bool:
    return connection.info.server_version >= _OWN_WAL_SINCE


def _wal(connection: Connection, pid: int, *, own: bool) -> int:
    row = connection.execute((_WAL if own else _WAL_OF_ALL).encode(), {"pid": pid}).fetchone()
    assert row is not None
    return int(row[0])
