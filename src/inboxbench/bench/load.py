"""Index sets under load by pgbench: throughput in a closed loop, percentiles in an open one.

A closed loop waits for each answer before it asks again, so a stall of a second is one slow request in it, where users
would have sent a thousand: its percentiles are not shown. In the open loop requests begin by a schedule, and a latency
counts from its scheduled start. Percentiles are exact, of every line of pgbench's log: HdrHistogram would save memory
that such a run does not need (a million requests are 8 MB) at three digits, and its package wants setuptools installed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from inboxbench import units
from inboxbench.bench.execute.pgbench import (
    Operation,
    bounded,
    read_operations,
    run_operation,
    stage_targets,
    write_operations,
)
from inboxbench.bench.model import require_built, require_none
from inboxbench.bench.request import TIMEOUT_S, Progress, Request, Steps, prepared_request, settle
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.indexset import IndexSet, kept
from inboxbench.bench.workload.queries import read_workload
from inboxbench.bench.workload.writes import read_writes
from inboxbench.database import connect
from inboxbench.errors import SubjectFailed, unknown
from inboxbench.project import Project
from inboxbench.record import as_json
from inboxbench.report.document import Lab
from inboxbench.report.table import Row, Table, figures, words
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, Report, find_pgbench
from inboxbench.units import percentile

# A set that completes less of what is asked for than this does not keep up: its percentiles grow with the run.
_LEAST_SHARE = 0.95
# The schedule is drawn: so many standard deviations below what was asked for are luck.
_LUCK = 3.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Holds what to run: `clients` for `seconds` in either loop.

    rate: requests a second in the open loop; None: `utilisation` of what the set got through in the closed one.
    """

    clients: int = 4
    seconds: int = 5
    rate: float | None = None
    utilisation: float = 0.5


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from the scheduled start; lag_ms: the longest that one waited for a free client."""

    requests: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    lag_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class LoadCell:
    """An operation under a set. per_s: closed loop; rate and achieved: of the open one; cases: of it, by script.

    kept_up: whether the open loop was served as fast as asked. failure: what pgbench said; stopped: that was the
    statement timeout.
    """

    operation: str
    kind: str
    index_set: str = field(metadata={"json": "set"})
    per_s: float | None = None
    rate: float | None = None
    achieved: float | None = None
    kept_up: bool | None = None
    latency: Latency | None = None
    cases: tuple[tuple[str, Latency], ...] = ()
    failure: str | None = None
    stopped: bool = False

    def to_json(self) -> dict[str, Any]:
        cases = [{"name": name, **as_json(latency, digits=3)} for name, latency in self.cases]
        return {**as_json(self, digits=3), "cases": cases}


@dataclass(frozen=True, slots=True)
class LoadTest:
    """Every operation under every set."""

    profile: str
    plan: LoadPlan
    sets: tuple[IndexSet, ...]
    cells: tuple[LoadCell, ...]
    notes: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """Operations that failed; being stopped by the timeout is one where no set had it answered in time."""
        answered = {cell.operation for cell in self.cells if cell.failure is None}
        broken = [cell for cell in self.cells if cell.failure and not (cell.stopped and cell.operation in answered)]
        return tuple(f"{cell.operation} under {cell.index_set}: {cell.failure}" for cell in broken)

    def require_sound(self) -> None:
        """Raises SubjectFailed when an operation failed: to be called when everything has been shown."""
        require_none(self.failures, "operations")
        require_built(self.refused)

    def to_json(self) -> dict[str, Any]:
        return {
            "profile": self.profile,
            "plan": asdict(self.plan),
            "sets": [{"name": index_set.name, "title": index_set.title} for index_set in self.sets],
            "cells": [cell.to_json() for cell in self.cells],
            "notes": list(self.notes),
        }


def check_operations(project: Project, names: Sequence[str] | None) -> None:
    """Raises UsageError for a family that neither reads nor writes have."""
    known = {file.family for file in (*read_writes(project), *read_workload(project).queries)}
    for name in names or ():
        if name not in known:
            raise unknown("operation", name, known)


def run_load(
    server: Server,
    source: str,
    project: Project,
    plan: LoadPlan,
    *,
    sets: Sequence[str] | None = None,
    operations: Sequence[str] | None = None,
    timeout_s: float = TIMEOUT_S,
    role: str | None = None,
    as_is: bool = False,
    progress: Progress | None = None,
) -> LoadTest:
    """Drive families of reads and writes (None: all) under each set, on copies of `source`.

    as_is: leave rows where they lie. Raises UsageError for unknown names, ServerError where there is no pgbench.
    """
    program = find_pgbench(server)
    check_operations(project, operations)
    cells: list[LoadCell] = []
    refused: list[str] = []
    with (
        prepared_request(
            *(server, source, project),
            sets=sets,
            timeout_s=timeout_s,
            role=role,
            as_is=as_is,
            lenient=True,
            progress=progress,
        ) as request,
        SetBuilder(server, request.template, request.sets) as builder,
    ):
        chosen = _families(request, operations)
        steps = Steps(len(request.sets) * len(chosen), progress)
        for index_set in request.sets:
            steps(f"{index_set.title}: building", 0)
            with builder.built(index_set, lambda _name: None) as (name, built):
                measured = kept(index_set, built, refused, request.current)
                if measured is None:
                    continue
                settle(server, name)
                run = _LoadRun(program, bounded(server.conninfo(name), timeout_s, role), measured, plan)
                for operation in _prepared(server, name, request, measured, chosen):
                    steps(f"{index_set.title}: {operation.name}")
                    cells.append(run.measure(operation))
        notes = (*request.caveats, *request.notes, *refused)
        return LoadTest(request.profile, plan, request.sets, tuple(cells), notes, (*request.refused, *refused))


def _families(request: Request, wanted: Sequence[str] | None) -> list[str]:
    """Return the families, reads before writes, which change what is read."""
    reads = [case.query.family for case in request.workload.cases]
    known = dict.fromkeys([*reads, *(write.family for write in request.writes)])
    return [name for name in known if wanted is None or name in wanted]


def _prepared(
    server: Server, database: str, request: Request, index_set: IndexSet, families: Sequence[str]
) -> list[Operation]:
    with connect(server.conninfo(database)) as connection:
        stage_targets(connection, request.writes, request.targets)
        operations = (
            *read_operations(connection, request.cases(index_set)),
            *write_operations(connection, request.writes, request.targets),
        )
    return [operation for operation in operations if operation.name in families]


@dataclass(frozen=True, slots=True)
class _LoadRun:
    """One set's database under load."""

    program: Path
    conninfo: str
    index_set: IndexSet
    plan: LoadPlan

    def measure(self, operation: Operation) -> LoadCell:
        """Run the closed loop, then the open one."""
        cell = LoadCell(operation.name, operation.kind, self.index_set.name)
        try:
            closed = self._report(operation, None)
            cell = replace(cell, per_s=closed.per_s)
            rate = self.plan.rate or max(closed.per_s * self.plan.utilisation, 0.1)
            opened = self._report(operation, rate)
        except SubjectFailed as error:
            return replace(cell, failure=str(error), stopped="statement timeout" in str(error))
        return replace(
            cell,
            rate=rate,
            achieved=opened.transactions / max(opened.seconds, self.plan.seconds),
            kept_up=_kept_up(opened, rate * self.plan.seconds, self.plan.seconds),
            latency=_latency(opened.latencies_ms, opened.lags_ms),
            cases=_by_case(operation, opened),
        )

    def _report(self, operation: Operation, rate: float | None) -> Report:
        load = Load(self.plan.clients, self.plan.seconds, rate=rate)
        return run_operation(self.program, self.conninfo, operation, load)


def _kept_up(report: Report, asked: float, seconds: int) -> bool:
    """`asked`: requests; those that ended after the time was up come too late."""
    served = report.transactions * min(1.0, seconds / report.seconds)
    return served >= _LEAST_SHARE * asked - _LUCK * math.sqrt(asked)


def _latency(latencies: Sequence[float], lags: Sequence[float] = ()) -> Latency:
    p50, p90, p99, p999 = (percentile(latencies, share) for share in (0.5, 0.9, 0.99, 0.999))
    return Latency(len(latencies), p50, p90, p99, p999, max(latencies), max(lags, default=0.0))


def _by_case(operation: Operation, report: Report) -> tuple[tuple[str, Latency], ...]:
    """Return the latencies of each script that came up."""
    of: dict[int, list[float]] = {}
    for script, latency in zip(report.scripts, report.latencies_ms, strict=True):
        of.setdefault(script, []).append(latency)
    names = list(operation.scripts)
    return tuple((names[script], _latency(of[script])) for script in sorted(of))


_LATENCIES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "lag_ms")


def load_lab(document: Mapping[str, Any]) -> Lab:
    """Return the table and sentences of what `inboxbench bench load` wrote."""
    found = document["load"]
    plan = found["plan"]
    title = (
        f"{plan['clients']} clients of pgbench, {plan['seconds']} s closed for throughput, {plan['seconds']} s open "
        "for latency"
    )
    columns = [
        *words("operation", "set"),
        *figures(units.rate, "closed", "open"),
        *figures(units.millis, "p50", "p90", "p99", "p99.9", "longest", "late start"),
    ]
    places = {name: place for place, name in enumerate(dict.fromkeys(cell["operation"] for cell in found["cells"]))}
    cells = sorted(found["cells"], key=lambda cell: (places[cell["operation"]], -_tail(cell)))
    failed = [f"{cell['operation']} under {cell['set']}: {cell['failure']}" for cell in cells if cell["failure"]]
    return Lab(
        "load",
        "Under load",
        "In the open loop requests begin by a schedule, and a latency counts from the scheduled start, so that a stall "
        "is seen in all that it held up; exact, of pgbench's log. Times are this machine's.",
        [Table(title, columns, [_row(cell) for cell in cells])],
        failed,
        found["notes"],
    )


def _tail(cell: Mapping[str, Any]) -> float:
    """Rank in an operation: the set that keeps its users waiting longest comes first."""
    return float(cell["latency"]["p99_ms"]) if cell["latency"] else math.inf


def _row(cell: Mapping[str, Any]) -> Row:
    latency = cell["latency"] or {}
    late = f"did not keep up: {units.rate(cell['achieved'])}" if cell["kept_up"] is False else ""
    stopped = "stopped by statement_timeout" if cell["stopped"] else "failed" if cell["failure"] else ""
    times = (latency.get(name) for name in _LATENCIES)
    return Row([cell["operation"], cell["set"], cell["per_s"], cell["rate"], *times], stopped or late, "bad")
