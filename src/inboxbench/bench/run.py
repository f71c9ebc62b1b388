"""The matrix: every case under every index set, each set on a clone of one prepared template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from inboxbench.bench.cache.recall import Memory, Recall, recalled
from inboxbench.bench.execute.cell import CellCollector
from inboxbench.bench.execute.pgbench import Speed, Speedometer
from inboxbench.bench.execute.session import Probe, open_probe
from inboxbench.bench.execute.timing import DEFAULT_ROUNDS, Pace
from inboxbench.bench.model import Cell, Matrix, SetResult
from inboxbench.bench.request import TIMEOUT_S, Progress, Request, Sets, Steps, prepared_request, settle, titled
from inboxbench.bench.sets.builder import Nursery, Tell
from inboxbench.bench.sets.indexset import BuiltIndex, IndexSet
from inboxbench.bench.workload.queries import GIVEN
from inboxbench.bench.workload.writes import measure_writes
from inboxbench.project import Project
from inboxbench.server import Server

__all__ = ["TIMEOUT_S", "Matrix", "Progress", "run_matrix"]


class Planter(Protocol):
    """Gives a database with a set's indexes for the time of a block."""

    def planted(self, chosen: IndexSet, tell: Tell) -> AbstractContextManager[tuple[str, tuple[BuiltIndex, ...]]]: ...


Ground = Callable[[Server, str, Sequence[IndexSet]], AbstractContextManager[Planter]]


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
    memory: Memory | None = None,
    lenient: bool = False,
    progress: Progress | None = None,
    ground: Ground = Nursery,
) -> Matrix:
    """Measure the project's queries on `source`, a database at head, which is read and never written.

    sets: names (None: the default ones), or sets that are in no file. queries: names (None: all). writes: measure
    what they cost, too. budget_s: about how long reading may take in all; slow cells get fewer rounds for it, never
    fewer than one execution. speed: measure the client's overhead and the throughput of writes, too (None: neither).
    as_is: leave rows where they lie instead of in key order. memory: outcomes of earlier runs, which are not measured
    again; a set all of whose outcomes are known is not built. lenient: a set with a wrong definition is left out and
    named (Matrix.refused). progress(done, total, what comes next). ground: where the
    sets' indexes come from.

    Raises UsageError for unknown names and wrong definitions before anything is built. A cell that fails or
    differs does not stop the rest: see Matrix.failures.
    """
    wanted: dict[str, Any] = {"sets": sets, "queries": queries, "writes": writes, "timeout_s": timeout_s}
    wanted |= {"as_is": as_is, "lenient": lenient}
    with prepared_request(server, source, project, progress=progress, **wanted) as request:
        pace = _pace(rounds, budget_s, request.cells)
        recall = recalled(memory, server, request, rounds=rounds, speed=speed) if memory else None
        return _Run(Speedometer(server, request, speed), pace, recall, progress).measure_sets(ground)


def _pace(rounds: int, budget_s: float | None, cells: int) -> Pace:
    if budget_s is None:
        return Pace(rounds)
    share = budget_s / max(cells, 1)
    return Pace(rounds, cell_s=share, slow_s=min(2 * share, Pace().slow_s))


@dataclass
class _Run:
    speed: Speedometer
    pace: Pace
    recall: Recall | None
    progress: Progress | None
    _results: list[SetResult] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._request = self.speed.request
        self._collector = CellCollector(self.pace)
        self._tell = Steps(_steps(self._request), self.progress)

    def measure_sets(self, ground: Ground) -> Matrix:
        request = self._request
        unknown = [one for one in request.sets if not (self.recall and self.recall.complete(one))]
        with ground(self.speed.server, request.template, unknown) as planter:
            for one in request.sets:
                self._results.append(self._measured(one, planter) if one in unknown else self._remembered(one))
        if not unknown:
            self.speed.watch_client(request.template)
        notes = (*request.notes, *self.speed.notes)
        results = tuple(self._results)
        return Matrix(
            request.profile,
            request.workload,
            results,
            self._collector.cells,
            self._collector.settings,
            (*notes, *_empty(self._collector.cells)),
            self.speed.overhead,
            request.refused,
        )

    def _measured(self, one: IndexSet, planter: Planter) -> SetResult:
        server = self.speed.server
        with planter.planted(one, titled(self._tell, one, "building ")) as (name, built):
            size = settle(server, name)
            with open_probe(server, name, timeout_s=self._request.timeout_s) as probe:
                self._cells(one, probe)
            self.speed.watch_client(name)
            return (self.recall and self.recall.cost(one)) or self._cost(one, name, built, size)

    def _cost(self, one: IndexSet, name: str, built: tuple[BuiltIndex, ...], size: int) -> SetResult:
        request = self._request
        self._tell(f"{one.title}: writing", len(request.writes))
        writes = measure_writes(self.speed.server, name, request.writes, request.targets)
        found = SetResult(one, built, size, writes, self.speed.watch_writes(name, one))
        if self.recall:
            self.recall.keep_cost(one, found, self.speed.speed)
        return found

    def _remembered(self, one: IndexSet) -> SetResult:
        self._cells(one, None)
        self._tell(f"{one.title}: measured before", len(one.indexes) + len(self._request.writes))
        found = self.recall.cost(one) if self.recall else None
        assert found is not None
        return found

    def _cells(self, one: IndexSet, probe: Probe | None) -> None:
        """probe: None when all of them are known."""
        for case in self._request.workload.cases:
            self._tell(f"{one.title}: {case.name}")
            known = self.recall.cell(case, one) if self.recall else None
            if known is not None:
                self._collector.take(case, one, *known)
                continue
            assert probe is not None
            outcome, under = self._collector.measure(probe, case, one)
            if self.recall:
                self.recall.keep_cell(case, one, outcome, under)


def _steps(request: Request) -> int:
    return request.cells + sum(len(one.indexes) + len(request.writes) for one in request.sets)


def _empty(cells: Sequence[Cell]) -> list[str]:
    """Cases that say their own values and find nothing by them: a mistake more often than a question."""
    found = {
        cell.case.name for cell in cells if cell.case.parameter_class is GIVEN and cell.plan and not cell.plan.rows
    }
    return [f"{name}: its parameters match no rows, so it says little" for name in sorted(found)]
