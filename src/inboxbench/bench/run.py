"""The matrix: every case under every index set, each set on a clone of one prepared template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from inboxbench.bench.cache.outcomes import Cache, Outcomes, known_outcomes
from inboxbench.bench.execute.cell import CellCollector
from inboxbench.bench.execute.pgbench import Speed, SpeedRun
from inboxbench.bench.execute.session import DEFAULT_ROUNDS, Pace, Probe, Probes
from inboxbench.bench.model import Cell, Matrix, SetResult
from inboxbench.bench.request import TIMEOUT_S, Progress, Request, Sets, Steps, prepared_request, settle, titled
from inboxbench.bench.sets.builder import Announce, SetBuilder
from inboxbench.bench.sets.indexset import Built, BuiltIndex, IndexSet, reduced
from inboxbench.bench.workload.queries import GIVEN, Case
from inboxbench.bench.workload.writes import measure_writes
from inboxbench.database import scratch_database
from inboxbench.disturbance import disturbance
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import QueryFile

__all__ = ["TIMEOUT_S", "Matrix", "Progress", "run_matrix"]


class Builds(Protocol):
    """Gives a database with a set's indexes for the time of a block."""

    def built(self, chosen: IndexSet, announce: Announce) -> AbstractContextManager[tuple[str, Built]]: ...


MakeBuilder = Callable[[Server, str, Sequence[IndexSet]], AbstractContextManager[Builds]]


def run_matrix(
    server: Server,
    source: str,
    project: Project,
    *,
    sets: Sets | None = None,
    queries: Sequence[str] | None = None,
    writes: bool = True,
    rounds: int = DEFAULT_ROUNDS,
    budget_s: float | None = None,
    timeout_s: float = TIMEOUT_S,
    speed: Speed | None = None,
    as_is: bool = False,
    cache: Cache | None = None,
    lenient: bool = False,
    role: str | None = None,
    caveats: Sequence[str] = (),
    as_source: bool = False,
    progress: Progress | None = None,
    make_builder: MakeBuilder = SetBuilder,
) -> Matrix:
    """Measure the project's queries on `source`, a database at head, which is read and never written.

    sets: names (None: the default ones), or sets that are in no file. queries: names (None: all). writes: measure
    what they cost, too. budget_s: about how long reading may take in all; slow cells get fewer rounds for it, never
    fewer than one execution. speed: measure the client's overhead and the throughput of writes, too (None: neither).
    as_is: leave rows where they lie instead of in key order. cache: outcomes of earlier runs, which are not measured
    again; a set all of whose outcomes are known is not built. lenient: a set with a wrong definition is left out and
    named (Matrix.refused). role: whom queries are executed as (None: the server's own user). caveats: what a reader
    must know of `source` before the figures. as_source: nothing is vacuumed. progress(done, total, what comes next).
    make_builder: where the sets' indexes come from.

    Raises UsageError for unknown names and wrong definitions before anything is built. A cell that fails or
    differs does not stop the rest: see Matrix.failures.
    """
    wanted: dict[str, Any] = {"sets": sets, "queries": queries, "writes": writes, "timeout_s": timeout_s}
    wanted |= {"as_is": as_is, "lenient": lenient, "role": role, "caveats": caveats, "as_source": as_source}
    with prepared_request(server, source, project, progress=progress, **wanted) as request:
        pace = _pace(rounds, budget_s, request.cells)
        outcomes = known_outcomes(cache, server, request, rounds=rounds, speed=speed) if cache else None
        speed_run = SpeedRun(server, request, speed)
        return _Run(speed_run, pace, outcomes, progress, lenient).measure_sets(make_builder)


def _pace(rounds: int, budget_s: float | None, cells: int) -> Pace:
    if budget_s is None:
        return Pace(rounds)
    share = budget_s / max(cells, 1)
    return Pace(rounds, cell_s=share, slow_s=min(2 * share, Pace().slow_s))


@dataclass
class _Run:
    speed: SpeedRun
    pace: Pace
    outcomes: Outcomes | None
    progress: Progress | None
    lenient: bool = False
    _results: list[SetResult] = field(default_factory=list)
    _refused: list[str] = field(default_factory=list)
    _disturbed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._request = self.speed.request
        self._collector = CellCollector(self.pace, self._truth)
        self._steps = Steps(_steps(self._request), self.progress)

    def measure_sets(self, make_builder: MakeBuilder) -> Matrix:
        request = self._request
        unknown = [index_set for index_set in request.sets if not (self.outcomes and self.outcomes.complete(index_set))]
        with make_builder(self.speed.server, request.template, unknown) as builder:
            for index_set in request.sets:
                if index_set not in unknown:
                    self._results.append(self._remembered(index_set))
                    continue
                try:
                    self._results.append(self._measured(index_set, builder))
                except UsageError as error:  # the rows do not take one of its indexes: too long, or not unique
                    self._refuse(index_set, error)
        if not self._results:
            raise UsageError(self._refused[0])
        if not unknown:
            self.speed.watch_client(request.template)
        notes = (*request.notes, *self._refused, *self._disturbed, *self.speed.notes)
        results = tuple(self._results)
        return Matrix(
            request.profile,
            request.workload,
            results,
            self._collector.cells,
            self._collector.settings,
            (*notes, *_empty(self._collector.cells)),
            self.speed.overhead,
            (*request.refused, *self._refused),
            request.caveats,
            request.untried,
        )

    def _refuse(self, index_set: IndexSet, error: UsageError) -> None:
        if not self.lenient:
            raise error
        self._refused.append(f"set {index_set.name} is left out: {error}")

    def _kept(self, index_set: IndexSet, built: Built) -> IndexSet:
        """Return the set without the indexes that its rows or a name refused. Raises UsageError as `_refuse` does."""
        if built.problems and not self.lenient:
            built.required()
        return reduced(index_set, built.problems, self._refused, self._request.current)

    def _measured(self, index_set: IndexSet, builder: Builds) -> SetResult:
        server = self.speed.server
        with builder.built(index_set, titled(self._steps, index_set, "building ")) as (name, built):
            index_set = self._kept(index_set, built)
            size = settle(server, name)
            cases = self._request.cases(index_set)
            with self._probes(name) as probes:
                self._cells(index_set, [case for case in cases if not case.query.changes_rows], probes)
            for case in cases:
                if case.query.changes_rows:
                    with scratch_database(server, "cell", name) as own, self._probes(own) as probes:
                        self._cells(index_set, [case], probes)
            self.speed.watch_client(name)
            return (self.outcomes and self.outcomes.cost(index_set)) or self._cost(index_set, name, built.indexes, size)

    def _probes(self, database: str) -> Probes:
        return Probes(self.speed.server, database, self._request.timeout_s, self._request.role)

    def _truth(self, query: QueryFile) -> AbstractContextManager[Probe]:
        return self._probes(self._request.template).opened(query)

    def _cost(self, index_set: IndexSet, name: str, built: tuple[BuiltIndex, ...], size: int) -> SetResult:
        request = self._request
        announce = titled(self._steps, index_set, "")
        self._steps(f"{index_set.title}: writing", len(request.writes))
        writes = measure_writes(self.speed.server, name, request.writes, request.targets, announce)
        self._disturbed += [
            note for write in writes if (note := disturbance(f"{write.name} under {index_set.title}", write.disturbed))
        ]
        result = SetResult(index_set, built, size, writes, self.speed.watch_writes(name, index_set))
        if self.outcomes and not any(write.disturbed for write in writes):
            self.outcomes.keep_cost(index_set, result, self.speed.speed)
        return result

    def _remembered(self, index_set: IndexSet) -> SetResult:
        self._cells(index_set, self._request.cases(index_set), None)
        self._steps(f"{index_set.title}: measured before", len(index_set.indexes) + len(self._request.writes))
        result = self.outcomes.cost(index_set) if self.outcomes else None
        assert result is not None
        return result

    def _cells(self, index_set: IndexSet, cases: Sequence[Case], probes: Probes | None) -> None:
        """probes: None when all of them are known; one that changes rows has a database of its own, so that the dead
        rows which it leaves are in no other cell."""
        for case in cases:
            self._steps(f"{index_set.title}: {case.name}")
            known = self.outcomes.cell(case, index_set) if self.outcomes else None
            if known is not None:
                self._collector.take(case, index_set, *known)
                continue
            assert probes is not None
            outcome, under = self._collector.measure(probes.of(case.query), case, index_set)
            if self.outcomes:
                self.outcomes.keep_cell(case, index_set, outcome, under)


def _steps(request: Request) -> int:
    return request.cells + sum(len(index_set.indexes) + len(request.writes) for index_set in request.sets)


def _empty(cells: Sequence[Cell]) -> list[str]:
    """Cases that say their own values and find nothing by them: a mistake more often than a question."""
    names = {
        cell.case.name for cell in cells if cell.case.parameter_class is GIVEN and cell.plan and not cell.plan.rows
    }
    return [f"{name}: its parameters match no rows, so it says little" for name in sorted(names)]
