"""Counters beside times: what a query touches, in pytest-benchmark's own JSON."""

from __future__ import annotations

from typing import Any

from psycopg import sql
from psycopg.pq import TransactionStatus

from inboxbench.database import Connection
from inboxbench.gate.snapshot import digest
from inboxbench.testing.statements import Executed, Parameters, driver, explain

_WAL = "SELECT wal_bytes FROM pg_stat_get_backend_wal(pg_backend_pid())"
_WAL_OF_ALL = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
Query = str | sql.SQL | sql.Composed


def attach_counters(benchmark: Any, connection: object, query: Query, parameters: Parameters = None) -> Executed:
    """Execute `query` twice under EXPLAIN ANALYZE (writes are rolled back) and put the second one's counters into
    `benchmark.extra_info`: buffers (8 kB pages, hit or read), rows, removed (read and thrown away), plan, plan_digest,
    indexes, server_ms, and for writes wal_bytes, triggers included.

    wal_bytes before PostgreSQL 18, or inside a transaction, is of the whole server and repeats only roughly. Raises
    UsageError for a connection that is not psycopg 3's, nor SQLAlchemy's over one.
    """
    raw = driver(connection)
    text = query if isinstance(query, str) else query.as_string(raw)
    explain(raw, text, parameters)  # the first one may write hint bits, and whole pages into the WAL
    before = _wal(raw)
    found = explain(raw, text, parameters)
    written = {"wal_bytes": _wal(raw) - before} if found.writes else {}
    plan = found.plan
    benchmark.extra_info.update(
        buffers=plan.buffers,
        rows=plan.rows,
        removed=plan.removed,
        plan=plan.line,
        plan_digest=digest(plan.line),
        indexes=list(plan.indexes),
        server_ms=plan.execution_ms,
        **written,
    )
    return found


def benchmark_query(
    benchmark: Any,
    connection: object,
    query: Query,
    parameters: Parameters = None,
    *,
    rounds: int | None = None,
) -> list[tuple[Any, ...]]:
    """Time `query` from the client with pytest-benchmark's fixture, its counters attached; the rows of the last round.

    rounds: so many after one that warms up (None: as pytest-benchmark's options say). A write is rolled back in each.
    """
    found = attach_counters(benchmark, connection, query, parameters)
    raw = driver(connection)

    def execute() -> list[tuple[Any, ...]]:
        cursor = raw.execute(query.encode() if isinstance(query, str) else query, parameters)
        return cursor.fetchall() if cursor.description else []

    def undone() -> list[tuple[Any, ...]]:
        with raw.transaction(force_rollback=True):
            return execute()

    timed = undone if found.writes else execute
    rows: list[tuple[Any, ...]] = (
        benchmark(timed) if rounds is None else benchmark.pedantic(timed, rounds=rounds, warmup_rounds=1)
    )
    return rows


def _wal(connection: Connection) -> int:
    """The session's own, which it reports when it is in no transaction; else everybody's."""
    idle = connection.autocommit and connection.info.transaction_status == TransactionStatus.IDLE
    own = idle and connection.info.server_version >= 180000
    if own:
        connection.execute("SELECT pg_stat_force_next_flush()")
    row = connection.execute(_WAL if own else _WAL_OF_ALL).fetchone()
    assert row is not None
    return int(row[0])
