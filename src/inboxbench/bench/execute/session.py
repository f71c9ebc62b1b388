"""Sessions to measure on: settings that make counters repeat, statements prepared with a case's values, plans.

`Pace` decides how often a statement is executed; `summarise` makes the figures of its executions.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Self

import psycopg
from psycopg import sql

from inboxbench.bench.workload.queries import Case
from inboxbench.database import Connection, connect
from inboxbench.database_settings import forced
from inboxbench.errors import SubjectFailed
from inboxbench.explain import Plan, Tracer, explain, plan_lines
from inboxbench.server import Server, reason
from inboxbench.sqlfile import QueryFile
from inboxbench.units import percentile

Rows = tuple[tuple[Any, ...], ...]

# The name of the prepared statement of a case.
STATEMENT = "inboxbench_case"

# What must be alike in every session for counters to be alike; the rest is the database's and is recorded. A copy has
# the source's work_mem and effective_cache_size, and what --set gave, instead.
SETTINGS = {
    "max_parallel_workers_per_gather": "0",  # a worker more or less changes plan and buffers
    "jit": "off",
    "synchronize_seqscans": "off",  # a scan begins at page 0, not where another one is
    "plan_cache_mode": "force_custom_plan",
    "default_transaction_read_only": "on",  # what writes without saying so fails and is named; see Probe.undone
    "work_mem": "32MB",
    "effective_cache_size": "4GB",  # else the machine's memory, and with it plans, would differ between runners
}
# Alike in every lab, so that plans are: what a server of somebody else's was tuned to must not decide them.
_LAB_SETTINGS = {name: value for name, value in SETTINGS.items() if name != "default_transaction_read_only"} | {
    "timezone": "UTC",
    "random_page_cost": "4",
    "seq_page_cost": "1",
}


class Probe:
    """A measuring session. Where auto_explain can be loaded, one execution gives rows and counters at once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._tracer = Tracer(connection)
        self._warm: set[str] = set()

    @property
    def traced(self) -> bool:
        return self._tracer.able

    def first_of(self, query: str) -> bool:
        """Say whether this session meets the query for the first time, which also fills the session's caches."""
        first = query not in self._warm
        self._warm.add(query)
        return first

    def fetch(self, execute: sql.Composed, query: QueryFile) -> tuple[Rows, Plan | None, float]:
        """Return the rows, the plan that they came by (None when untraced), and seconds on this side.

        Of a statement without rows, such as an UPDATE without RETURNING, one row with how many it changed.
        """
        with self._tracer.traced() as plans, self.undone(query):
            begun = time.perf_counter()
            cursor = self.connection.execute(execute)
            rows = tuple(cursor.fetchall()) if cursor.description else ((cursor.rowcount,),)
            seconds = time.perf_counter() - begun
        return rows, plans[0] if plans else None, seconds

    def explain(self, execute: sql.Composed, query: QueryFile) -> Plan:
        with self.undone(query):
            return explain(self.connection, execute).plan

    @contextmanager
    def undone(self, query: QueryFile) -> Iterator[None]:
        """Let a query that changes or locks rows do so within the block, and roll it back; others stay read-only."""
        if not query.rolled_back:
            yield
            return
        self.connection.execute("BEGIN READ WRITE")
        try:
            yield
        finally:
            self.connection.pgconn.exec_(b"ROLLBACK")  # psycopg's own drops prepared statements, the case's among them


@contextmanager
def open_probe(
    server: Server,
    database: str,
    *,
    timeout_s: float,
    role: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Probe]:
    """Open a session set up for measuring; a statement that takes longer than `timeout_s` is stopped.

    role: whom the session acts as (None: the server's own user). settings: what a query's header sets, above all
    others. Raises SubjectFailed for a setting or a role that the server refuses.
    """
    with connect(server.conninfo(database), autocommit=True) as connection:
        for name, value in forced(connection, measuring(timeout_s)).items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        for name, value in {**(settings or {}), **({"role": role} if role else {})}.items():
            try:
                connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            except psycopg.Error as error:
                raise SubjectFailed(f"{name} = {value}: {reason(error)}") from None
        yield Probe(connection)


@dataclass
class Probes:
    """Sessions on one database, one for each role and settings that queries ask for, opened when first wanted."""

    server: Server
    database: str
    timeout_s: float
    role: str | None = None
    _open: dict[tuple[object, ...], Probe] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def of(self, query: QueryFile) -> Probe:
        key = (query.role, *query.settings.items())
        if key not in self._open:
            self._open[key] = self._stack.enter_context(self.opened(query))
        return self._open[key]

    def opened(self, query: QueryFile) -> AbstractContextManager[Probe]:
        """Return a session for the query alone."""
        role = query.role or self.role
        return open_probe(self.server, self.database, timeout_s=self.timeout_s, role=role, settings=query.settings)


def measuring(timeout_s: float) -> dict[str, str]:
    """Return what a measuring session wants set; `forced` says what of it the database leaves to be forced."""
    return {**SETTINGS, **_ended_after(timeout_s)}


@contextmanager
def prepared(connection: Connection, case: Case, text: str | None = None) -> Iterator[sql.Composed]:
    """Prepare the case's statement on the server for the block, and yield its EXECUTE. text: another one, which has the
    same parameters, in its place."""
    types = sql.SQL(", ").join([sql.SQL(kind) for kind in case.query.params.values()])
    arguments = sql.SQL(", ").join([sql.Literal(case.values[name]) for name in case.query.params])
    statement = sql.SQL(case.query.prepared if text is None else text)
    name = sql.Identifier(STATEMENT)
    given = bool(case.query.params)
    head = sql.SQL("PREPARE {} ({}) AS {}") if given else sql.SQL("PREPARE {0} AS {2}")
    connection.execute(head.format(name, types, statement))
    try:
        yield sql.SQL("EXECUTE {} ({})" if given else "EXECUTE {}").format(name, *([arguments] if given else []))
    finally:
        connection.execute(sql.SQL("DEALLOCATE {}").format(name))


@contextmanager
def lab_session(server: Server, database: str, *, timeout_s: float) -> Iterator[Connection]:
    """Open a session with the labs' settings; a statement that takes longer than `timeout_s` is stopped."""
    with connect(server.conninfo(database), autocommit=True, **_LAB_SETTINGS, **_ended_after(timeout_s)) as connection:
        yield connection


def _ended_after(timeout_s: float) -> dict[str, str]:
    return {"statement_timeout": f"{max(1, round(timeout_s * 1000))}ms"}


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution, explained. rows: as they came; lines: its plan as a person reads it."""

    rows: Rows
    plan: Plan
    lines: tuple[str, ...]

    @property
    def buffers(self) -> int:
        return self.plan.buffers

    def to_json(self) -> dict[str, Any]:
        return {
            "buffers": self.plan.buffers,
            "rows": self.plan.rows,
            "removed": self.plan.removed,
            "sorts": self.plan.sorts,
            "index_searches": self.plan.searches,
            "ms": round(self.plan.execution_ms, 3),
            "plan": self.plan.line,
            "plan_lines": list(self.lines),
        }


def execute(connection: Connection, query: str, *, rounds: int = 2) -> Execution:
    """Return the rows, then the counters of the last of `rounds` more executions: the first ones set hint bits."""
    rows = tuple(connection.execute(query.encode()).fetchall())
    for _ in range(rounds):
        explained = explain(connection, query)
    return Execution(rows, explained.plan, tuple(plan_lines(explained.root)))


DEFAULT_ROUNDS = 15
FEWEST = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """rounds: executions of a cell that is quick; cell_s: seconds after which a cell has had enough;
    slow_s: a cell whose first execution takes longer is not executed again, except where that was the first of its
    query; client_s: one that takes longer is far above the client's own part, which is not timed then."""

    rounds: int = DEFAULT_ROUNDS
    cell_s: float = 0.25
    slow_s: float = 1.0
    client_s: float = 0.02

    def trips_for(self, first_s: float) -> int:
        """Executions that are timed on the client's side."""
        return self.rounds_for(first_s) if first_s <= self.client_s else 0

    def rounds_for(self, first_s: float) -> int:
        """Return further executions after a first one of `first_s` seconds: 0 when that one has to do."""
        if first_s > self.slow_s:
            return 0
        affordable = int(self.cell_s / first_s) if first_s > 0 else self.rounds
        fewest = FEWEST if first_s <= self.cell_s else 1
        return min(self.rounds, max(fewest, affordable))


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of server time. With fewer than 20 samples p95 is the largest of them.

    client_ms: the median round trip on this side, rows received; None where the cell was too slow to be repeated.
    """

    median_ms: float
    p95_ms: float
    rounds: int
    client_ms: float | None = None


def summarise(samples_ms: Sequence[float], client_ms: Sequence[float] = ()) -> Timing:
    seen = median(client_ms) if client_ms else None
    return Timing(median(samples_ms), percentile(samples_ms, 0.95), len(samples_ms), seen)
