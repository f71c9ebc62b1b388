"""One cell: a case measured on one connection. First its rows, then counters and server time of prepared executions.

Plans are custom (plan_cache_mode = force_custom_plan): a parameter class is measured with the plan that its own
values lead to. A generic plan would be chosen by which class came first, and would hide the very difference
between a frequent and a rare word that is looked for.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.bench.execute.client import as_text, round_trip
from inboxbench.bench.execute.plan import Plan, nodes_of, parse_plan, plan_shape
from inboxbench.bench.execute.sample import Pace, Timing, summarise
from inboxbench.bench.model import normal
from inboxbench.bench.workload.queries import Case
from inboxbench.database import Connection, connect
from inboxbench.server import Server, reason

Row = tuple[Any, ...]
Shape = str

STOPPED = "stopped by statement_timeout"
_STATEMENT = "inboxbench_case"
_EXPLAIN = sql.SQL("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY ON, SETTINGS ON, FORMAT JSON) {}")
_PLAN_ONLY = sql.SQL("EXPLAIN (COSTS OFF, FORMAT JSON) {}")

# What must be alike in every session for counters to be alike; the rest is the server's and is recorded.
SETTINGS = {
    "max_parallel_workers_per_gather": "0",  # a worker more or less changes plan and buffers
    "jit": "off",
    "synchronize_seqscans": "off",  # a scan begins at page 0, not where another one is
    "plan_cache_mode": "force_custom_plan",
    "default_transaction_read_only": "on",  # a query that writes fails and is named
    "work_mem": "32MB",
    "effective_cache_size": "4GB",  # else the machine's memory, and with it plans, would differ between runners
}
_AUTO_EXPLAIN = {
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
    "auto_explain.log_timing": "off",
    "auto_explain.log_settings": "on",
    "auto_explain.log_format": "json",
    "auto_explain.log_level": "notice",
    "client_min_messages": "notice",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell's outcome. `failure` says why there are no figures; answer: a digest of the rows, to compare across sets;
    shape: one of the planned steps."""

    plan: Plan | None
    timing: Timing | None
    answer: str | None
    failure: str | None = None
    steady: bool = True
    shape: Shape | None = None
    slow: bool = False
    stopped: bool = False


class Probe:
    """A measuring session. Where auto_explain can be loaded, one execution gives rows and counters at once."""

    def __init__(self, connection: Connection, *, traced: bool) -> None:
        self.connection = connection
        self._traced = traced
        self._notices: list[str] = []
        self._warm: set[str] = set()
        connection.add_notice_handler(lambda notice: self._notices.append(notice.message_primary or ""))

    @property
    def traced(self) -> bool:
        return self._traced

    def first_of(self, query: str) -> bool:
        """Whether this session meets the query for the first time: that execution also fills the session's caches."""
        first = query not in self._warm
        self._warm.add(query)
        return first

    def shape(self, execute: sql.Composed, definitions: Mapping[str, str]) -> Shape:
        """What the planner would do, estimates left out; `definitions`: of indexes by name, as two sets may differ."""
        row = self.connection.execute(_PLAN_ONLY.format(execute)).fetchone()
        assert row is not None
        plan = row[0][0]["Plan"]
        used = [definitions.get(node["Index Name"]) for node in nodes_of(plan) if "Index Name" in node]
        return _digest((plan_shape(plan), used))

    def fetch(self, execute: sql.Composed) -> tuple[tuple[Row, ...], Plan | None, float]:
        """Rows, the plan they came by (None when untraced), seconds on this side."""
        self._notices.clear()
        begun = time.perf_counter()
        rows = tuple(self.connection.execute(execute).fetchall())
        seconds = time.perf_counter() - begun
        return rows, self._traced_plan(), seconds

    def explain(self, execute: sql.Composed) -> Plan:
        row = self.connection.execute(_EXPLAIN.format(execute)).fetchone()
        assert row is not None
        return parse_plan(row[0][0])

    def _traced_plan(self) -> Plan | None:
        for message in self._notices:
            duration, found, document = message.partition(" ms  plan:")
            if found:
                milliseconds = float(duration.removeprefix("duration:"))
                return parse_plan({**json.loads(document), "Execution Time": milliseconds})
        return None


@contextmanager
def open_probe(server: Server, database: str, *, timeout_s: float) -> Iterator[Probe]:
    """A session set up for measuring; a statement that takes longer than `timeout_s` is stopped."""
    settings = SETTINGS | {"statement_timeout": f"{max(1, round(timeout_s * 1000))}ms"}
    with connect(server.conninfo(database), autocommit=True, **settings) as connection:
        yield Probe(connection, traced=_trace(connection))


def _trace(connection: Connection) -> bool:
    """Only a superuser may load auto_explain; without it a cell is executed once more."""
    try:
        connection.execute("LOAD 'auto_explain'")
    except psycopg.Error:
        return False
    for name, value in _AUTO_EXPLAIN.items():
        connection.execute("SELECT set_config(%s, %s, false)", (name, value))
    return True


@contextmanager
def prepared(connection: Connection, case: Case) -> Iterator[sql.Composed]:
    """The EXECUTE of the case's statement, prepared on the server for the block."""
    types = sql.SQL(", ").join([sql.SQL(kind) for kind in case.query.params.values()])
    arguments = sql.SQL(", ").join([sql.Literal(case.values[name]) for name in case.query.params])
    statement = sql.SQL(case.query.prepared)
    name = sql.Identifier(_STATEMENT)
    given = bool(case.query.params)
    head = sql.SQL("PREPARE {} ({}) AS {}") if given else sql.SQL("PREPARE {0} AS {2}")
    connection.execute(head.format(name, types, statement))
    try:
        yield sql.SQL("EXECUTE {} ({})" if given else "EXECUTE {}").format(name, *([arguments] if given else []))
    finally:
        connection.execute(sql.SQL("DEALLOCATE {}").format(name))


def measure(
    probe: Probe, case: Case, pace: Pace, known: Mapping[Shape, Measured], definitions: Mapping[str, str]
) -> Measured:
    """Never raises for what the query does: an error or a timeout is the cell's named outcome.

    `known` holds slow outcomes of the same case under other sets, by the shape of their plan: the same steps over
    the same pages and the same indexes need not be waited for again.
    """
    shape: Shape | None = None
    try:
        with prepared(probe.connection, case) as execute:
            shape = probe.shape(execute, definitions)
            return known[shape] if shape in known else replace(_measure(probe, case, execute, pace), shape=shape)
    except psycopg.errors.QueryCanceled:
        return Measured(None, None, None, STOPPED, shape=shape, slow=True, stopped=True)
    except psycopg.Error as error:
        return Measured(None, None, None, reason(error))


def _measure(probe: Probe, case: Case, execute: sql.Composed, pace: Pace) -> Measured:
    rows, plan, seconds = probe.fetch(execute)
    answer = _digest(normal(rows, case.query.order))
    rounds = max(pace.rounds_for(seconds), int(probe.first_of(case.query.name)))
    if rounds == 0:
        # Too slow to repeat: what this execution showed stands. An earlier class of the query has read what only a
        # session's first execution reads (catalogues, dictionaries), so a later one would count the same pages.
        plan = plan or probe.explain(execute)
        return Measured(plan, summarise([plan.execution_ms]), answer, slow=True)
    with quiet(probe):
        plans = [probe.explain(execute) for _ in range(rounds)]
        seen = _round_trips(probe, case, pace.trips_for(seconds))
    return Measured(
        plan=plans[-1],
        timing=summarise([one.execution_ms for one in plans], seen),
        answer=answer,
        steady=len({one.buffers for one in plans}) == 1,
    )


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]


def _round_trips(probe: Probe, case: Case, rounds: int) -> list[float]:
    """Milliseconds on this side of the statement that is prepared."""
    values = as_text(probe.connection, [case.values[name] for name in case.query.params])
    return [round_trip(probe.connection, _STATEMENT.encode(), values) * 1000 for _ in range(rounds)]


@contextmanager
def quiet(probe: Probe) -> Iterator[None]:
    """auto_explain off for the block: its own bookkeeping must not be in the timings."""
    _trace_above(probe, "-1")
    try:
        yield
    finally:
        _trace_above(probe, "0")


def _trace_above(probe: Probe, milliseconds: str) -> None:
    if probe.traced:
        probe.connection.execute("SELECT set_config('auto_explain.log_min_duration', %s, false)", (milliseconds,))
