"""The matrix: every case under every index set, each set on a clone of one prepared template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from inboxbench.measure.cell import Probe, open_probe
from inboxbench.measure.indexset import BuiltIndex, IndexSet
from inboxbench.measure.ledger import Ledger
from inboxbench.measure.nursery import Nursery, Tell
from inboxbench.measure.request import TIMEOUT_S, Progress, Request, Sets, Steps, prepared_request, settle, titled
from inboxbench.measure.result import Matrix, SetResult
from inboxbench.measure.sample import DEFAULT_ROUNDS, Pace
from inboxbench.measure.speed import Speedometer
from inboxbench.measure.throughput import Speed
from inboxbench.measure.write import measure_writes
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
    progress: Progress | None = None,
    ground: Ground = Nursery,
) -> Matrix:
    """Measure the project's queries on `source`, a database at head, which is read and never written.

    sets: names (None: the default ones), or sets that are in no file. queries: names (None: all). writes: measure
    what they cost, too. budget_s: about how long reading may take in all; slow cells get fewer rounds for it, never
    fewer than one execution. speed: measure the client's overhead and the throughput of writes, too (None: neither).
    progress(done, total, what comes next). ground: where the sets' indexes come from.

    Raises UsageError for unknown names and wrong definitions before anything is built. A cell that fails or
    differs does not stop the rest: see Matrix.failures.
    """
    with prepared_request(
        server, source, project, sets=sets, queries=queries, writes=writes, timeout_s=timeout_s, progress=progress
    ) as request:
        pace = _pace(rounds, budget_s, request.cells)
        return _measure_sets(Speedometer(server, request, speed), pace, progress, ground)


def _pace(rounds: int, budget_s: float | None, cells: int) -> Pace:
    if budget_s is None:
        return Pace(rounds)
    share = budget_s / max(cells, 1)
    return Pace(rounds, cell_s=share, slow_s=min(2 * share, Pace().slow_s))


def _measure_sets(speed: Speedometer, pace: Pace, progress: Progress | None, ground: Ground) -> Matrix:
    server, request = speed.server, speed.request
    tell = Steps(_steps(request), progress)
    ledger = Ledger(pace)
    results: list[SetResult] = []
    with ground(server, request.template, request.sets) as planter:
        for one in request.sets:
            with planter.planted(one, titled(tell, one, "building ")) as (name, built):
                size = settle(server, name)
                with open_probe(server, name, timeout_s=request.timeout_s) as probe:
                    _measure_cells(probe, one, request, tell, ledger)
                speed.watch_client(name)
                tell(f"{one.title}: writing", len(request.writes))
                writes = measure_writes(server, name, request.writes, request.targets)
                throughput = speed.watch_writes(name, one)
            results.append(SetResult(one, built, size, writes, throughput))
    notes = (*request.notes, *speed.notes)
    return Matrix(
        request.profile, request.workload, tuple(results), ledger.cells, ledger.settings, notes, speed.overhead
    )


def _steps(request: Request) -> int:
    return request.cells + sum(len(one.indexes) + len(request.writes) for one in request.sets)


def _measure_cells(probe: Probe, one: IndexSet, request: Request, tell: Steps, ledger: Ledger) -> None:
    for case in request.workload.cases:
        tell(f"{one.title}: {case.name}")
        ledger.measure(probe, case, one)
