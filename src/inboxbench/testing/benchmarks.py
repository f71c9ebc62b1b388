"""Counters beside times: what a query touches, in pytest-benchmark's own JSON."""

from __future__ import annotations

from typing import Any

from inboxbench.counting import wal_written
from inboxbench.explain import Explained, Parameters, Query
from inboxbench.gate.snapshot import digest
from inboxbench.testing.statements import driver, explain_rolled_back


def attach_counters(benchmark: Any, connection: object, query: Query, parameters: Parameters = None) -> Explained:
    """Execute `query` twice under EXPLAIN ANALYZE (writes are rolled back) and put the second one's counters into
    `benchmark.extra_info`: buffers (8 kB pages, hit or read), rows, removed (read and thrown away), plan, plan_digest,
    indexes, server_ms, and for writes wal_bytes, triggers included.

    wal_bytes before PostgreSQL 18, or inside a transaction, is of the whole server and repeats only roughly. Raises
    UsageError for a connection that is not psycopg 3's, nor SQLAlchemy's over one.
    """
    raw = driver(connection)
    text = query if isinstance(query, str) else query.as_string(raw)
    explain_rolled_back(raw, text, parameters)  # the first one may write hint bits, and whole pages into the WAL
    before = wal_written(raw)
    explained = explain_rolled_back(raw, text, parameters)
    written = {"wal_bytes": wal_written(raw) - before} if explained.writes else {}
    plan = explained.plan
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
    return explained


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
    explained = attach_counters(benchmark, connection, query, parameters)
    raw = driver(connection)

    def execute() -> list[tuple[Any, ...]]:
        cursor = raw.execute(query.encode() if isinstance(query, str) else query, parameters)
        return cursor.fetchall() if cursor.description else []

    def undone() -> list[tuple[Any, ...]]:
        with raw.transaction(force_rollback=True):
            return execute()

    timed = undone if explained.writes else execute
    rows: list[tuple[Any, ...]] = (
        benchmark(timed) if rounds is None else benchmark.pedantic(timed, rounds=rounds, warmup_rounds=1)
    )
    return rows
