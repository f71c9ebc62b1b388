"""What a query does on the server, as assertions: the plan it gets, the pages it reads, how many statements it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from inboxbench.counting import Statements, count_statements, wal_written
from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.explain import Explained, Parameters, Query, explain
from inboxbench.gate.snapshot import digest

_ROWS = "SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(%s)"
# A scan of a smaller table is what a good planner chooses.
LARGE = 1_000


class PlanError(AssertionError):
    """The plan is not as asked; it stands in the message."""


def explain_rolled_back(connection: object, query: str, parameters: Parameters = None) -> Explained:
    """Execute `query` under EXPLAIN ANALYZE and roll back what it wrote. `parameters` as psycopg takes them.

    connection: psycopg's, or SQLAlchemy's Connection or Session on psycopg 3. Raises UsageError for another.
    """
    raw = driver(connection)
    with raw.transaction(force_rollback=True):
        return explain(raw, query, parameters)


_PARENTS = """
    SELECT DISTINCT above.relname FROM pg_class AS c, pg_partition_ancestors(c.oid) AS a (relid)
    JOIN pg_class AS above ON above.oid = a.relid WHERE c.relkind = 'i' AND c.relname = ANY (%s)
"""


def _parents(connection: Connection, indexes: Sequence[str]) -> set[str]:
    """Return the names of the indexes of partitioned tables that these are parts of."""
    return {name for (name,) in connection.execute(_PARENTS, (list(indexes),)).fetchall()}


def assert_plan(
    connection: object,
    query: str,
    parameters: Parameters = None,
    *,
    uses: str | Sequence[str] = (),
    sorts: bool | None = None,
    scans_over: int | None = LARGE,
) -> Explained:
    """The query reads by the index or indexes named, sorts or does not (None: may), and scans no table whole that
    has more than `scans_over` rows (None: may).

    Raises PlanError with the plan.
    """
    __tracebackhide__ = True
    explained = explain_rolled_back(connection, query, parameters)
    missing = set([uses] if isinstance(uses, str) else uses) - set(explained.plan.indexes)
    missing -= _parents(driver(connection), explained.plan.indexes) if missing else set()
    if missing:
        raise PlanError(_with_plan(explained, f"does not use {', '.join(sorted(missing))}"))
    if sorts is not None and explained.plan.sorts is not sorts:
        raise PlanError(_with_plan(explained, "sorts" if explained.plan.sorts else "does not sort"))
    if scans_over is not None:
        _check_scans(driver(connection), explained, scans_over)
    return explained


def assert_buffers(connection: object, query: str, parameters: Parameters = None, *, at_most: int) -> Explained:
    """The query touches at most so many pages of 8 kB, hit or read. Raises PlanError with the plan.

    Executed twice, the second one counts: the first may write hint bits.
    """
    __tracebackhide__ = True
    explain_rolled_back(connection, query, parameters)
    explained = explain_rolled_back(connection, query, parameters)
    if explained.plan.buffers > at_most:
        raise PlanError(_with_plan(explained, f"touches {explained.plan.buffers:,} pages, {at_most:,} are allowed"))
    return explained


def _check_scans(raw: Connection, explained: Explained, most: int) -> None:
    __tracebackhide__ = True
    for table in explained.scanned:
        row = raw.execute(_ROWS, (table,)).fetchone()
        if row and row[0] > most:
            raise PlanError(_with_plan(explained, f"scans all of {table}, about {row[0]:,} rows"))


def _with_plan(explained: Explained, what: str) -> str:
    plan = explained.plan
    counters = f"pages  {plan.buffers:,}, rows {plan.rows:,}, thrown away {plan.removed:,}"
    return f"the query {what}\n  plan   {plan.line}\n  {counters}"


def driver(connection: Any) -> Connection:
    """psycopg's own connection, out of SQLAlchemy's where need be. Raises UsageError for another driver's."""
    if isinstance(connection, psycopg.Connection):
        return connection
    made = connection.connection() if callable(getattr(connection, "connection", None)) else connection
    raw = getattr(getattr(made, "connection", None), "driver_connection", None)
    if not isinstance(raw, psycopg.Connection):
        raise UsageError(f"{type(connection).__name__} is no connection of psycopg 3, nor SQLAlchemy's over one")
    return raw


@contextmanager
def assert_statements(connection: object, *, at_most: int) -> Iterator[Statements]:
    """In the block the connection sends at most so many statements: a loop that asks for each row (N+1) does not.

    connection: psycopg's, or an Engine, Connection or Session of SQLAlchemy. Raises PlanError listing them.
    """
    __tracebackhide__ = True
    with count_statements(connection) as counted:
        yield counted
    if len(counted.sent) > at_most:
        raise PlanError(f"{len(counted.sent)} statements were sent, {at_most} are allowed\n{counted.listed()}")


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
