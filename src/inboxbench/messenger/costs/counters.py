"""Counters of one operation: statements sent, pages touched, WAL written; its time beside them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.messenger.costs.rule import Act

# psycopg prepares a statement when it has seen it five times; the first updates of a row that a fresh load packed
# full move it to where updated rows live.
_WARM_UPS = 20


class CountingConnection(psycopg.Connection[tuple[Any, ...]]):
    """Counts its round trips. BEGIN travels with the first statement and is none of its own."""

    trips = 0

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        self.trips += 1
        return super().wait(*args, **kwargs)


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one unit of an operation. statements: that the client sends, BEGIN and COMMIT aside; buffers: 8 kB pages of
    tables and indexes touched, also by triggers and keys; ms: median, commit included."""

    statements: float
    buffers: float
    wal_bytes: float
    ms: float


@dataclass(frozen=True, slots=True)
class _State:
    buffers: int
    wal_bytes: int


_BUFFERS = """
    SELECT coalesce(sum(coalesce(heap_blks_read, 0) + coalesce(heap_blks_hit, 0) + coalesce(idx_blks_read, 0)
        + coalesce(idx_blks_hit, 0) + coalesce(toast_blks_read, 0) + coalesce(toast_blks_hit, 0)
        + coalesce(tidx_blks_read, 0) + coalesce(tidx_blks_hit, 0)), 0)::bigint
    FROM pg_statio_user_tables
"""
# Since 18 a session's own WAL is counted; before, the server's, which others write to as well.
_WAL = "SELECT wal_bytes::bigint FROM pg_stat_get_backend_wal(%(pid)s)"
_WAL_OF_ALL = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint WHERE %(pid)s IS NOT NULL"
_OWN_WAL_SINCE = 180_000


@contextmanager
def counting(conninfo: str) -> Iterator[CountingConnection]:
    """A session that counts; it is the caller who commits."""
    with CountingConnection.connect(conninfo) as connection:
        yield connection


def _state(worker: CountingConnection, referee: Connection) -> _State:
    """What the worker has done so far, told to the server first: it reports once a second of its own accord."""
    worker.execute("SELECT pg_stat_force_next_flush()")
    worker.commit()
    wal = _WAL if referee.info.server_version >= _OWN_WAL_SINCE else _WAL_OF_ALL
    figures = [
        referee.execute(query.encode(), {"pid": worker.info.backend_pid}).fetchone() for query in (_BUFFERS, wal)
    ]
    buffers, wal_bytes = (int(row[0]) for row in figures if row is not None)
    return _State(buffers, wal_bytes)


def _run(worker: CountingConnection, act: Act, numbers: range) -> list[float]:
    """Seconds of each execution."""
    taken = []
    for number in numbers:
        begun = time.perf_counter()
        act(worker, number)
        worker.commit()
        taken.append(time.perf_counter() - begun)
    return taken


def measure(conninfo: str, act: Act, executions: int, units: int = 1) -> Cost:
    """Each execution is a transaction of its own."""
    with counting(conninfo) as worker, connect(conninfo) as referee:
        warm = min(_WARM_UPS, executions)
        _run(worker, act, range(warm))
        before, trips = _state(worker, referee), worker.trips
        taken = _run(worker, act, range(warm, warm + executions))
        trips = worker.trips - trips - executions  # a COMMIT each
        after = _state(worker, referee)
    each = executions * units
    return Cost(
        statements=round(trips / each, 2),
        buffers=round((after.buffers - before.buffers) / each, 1),
        wal_bytes=round((after.wal_bytes - before.wal_bytes) / each, 1),
        ms=round(statistics.median(taken) * 1000 / units, 3),
    )
