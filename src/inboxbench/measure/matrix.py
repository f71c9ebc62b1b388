"""The matrix: every case under every index set, each set on a clone of one prepared template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inboxbench.database import Connection, connect, read_marker
from inboxbench.measure.cell import Probe, open_probe
from inboxbench.measure.indexset import Catalogue, IndexSet, install_extensions, read_catalogue, try_definitions
from inboxbench.measure.ledger import Ledger
from inboxbench.measure.nursery import Nursery
from inboxbench.measure.result import Matrix, SetResult
from inboxbench.measure.sample import DEFAULT_ROUNDS, Pace
from inboxbench.measure.template import prepared_template
from inboxbench.measure.workload import Workload, draw_cases, read_workload
from inboxbench.measure.write import draw_targets, measure_writes, read_writes
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import QueryFile

__all__ = ["TIMEOUT_S", "Matrix", "Progress", "run_matrix"]

# Chatwoot's own statement_timeout: what is slower than this is an error page to a user.
TIMEOUT_S = 14.0

_INDEX_BYTES = """
    SELECT coalesce(sum(pg_relation_size(oid)), 0) FROM pg_class
    WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace
"""

Progress = Callable[[int, int, str], None]
Targets = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: sets in their order, the workload with its values, writes with their targets."""

    sets: tuple[IndexSet, ...]
    workload: Workload
    writes: tuple[QueryFile, ...]
    targets: Targets
    pace: Pace
    timeout_s: float
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        return sum(len(one.indexes) + len(self.workload.cases) + len(self.writes) for one in self.sets)


class _Counter:
    """Counts steps for whoever shows progress."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._done = 0
        self._total = total
        self._progress = progress

    def __call__(self, text: str, steps: int = 1) -> None:
        if self._progress:
            self._progress(self._done, self._total, text)
        self._done += steps


def run_matrix(
    server: Server,
    source: str,
    project: Project,
    *,
    sets: Sequence[str] | Sequence[IndexSet] | None = None,
    queries: Sequence[str] | None = None,
    writes: bool = True,
    rounds: int = DEFAULT_ROUNDS,
    budget_s: float | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> Matrix:
    """Measure the project's queries on `source`, a database at head, which is read and never written.

    sets: names (None: the default ones), or sets that are in no file. queries: names (None: all). writes: measure
    what they cost, too. budget_s: about how long reading may take in all; slow cells get fewer rounds for it, never
    fewer than one execution. progress(done, total, what comes next).

    Raises UsageError for unknown names and wrong definitions before anything is built. A cell that fails or
    differs does not stop the rest: see Matrix.failures.
    """
    catalogue = read_catalogue(project.schema / "indexes.toml")
    chosen = _chosen(catalogue, sets)
    workload, changes = read_workload(project, queries), read_writes(project) if writes else ()
    if progress:
        progress(0, 0, "preparing a copy without secondary indexes")
    with prepared_template(server, source) as template:
        with connect(server.conninfo(template)) as connection:
            indexes = [index for one in chosen for index in one.indexes]
            install_extensions(connection, indexes)
            try_definitions(connection, catalogue.path, indexes)
            workload = draw_cases(workload, connection, project)
            targets = {one.classes[0]: draw_targets(connection, project.bench / "targets", one) for one in changes}
            notes = (*workload.skipped, *_remarks(connection))
        pace = _pace(rounds, budget_s, len(chosen) * len(workload.cases))
        request = Request(chosen, workload, changes, targets, pace, timeout_s, notes)
        return _measure_sets(server, template, request, _profile(server, source), progress)


def _chosen(catalogue: Catalogue, sets: Sequence[str] | Sequence[IndexSet] | None) -> tuple[IndexSet, ...]:
    found: list[IndexSet] = []
    for one in catalogue.choose() if sets is None else sets:
        found += [one] if isinstance(one, IndexSet) else catalogue.choose([one])
    return tuple({one.name: one for one in found}.values())


def _pace(rounds: int, budget_s: float | None, cells: int) -> Pace:
    if budget_s is None:
        return Pace(rounds)
    share = budget_s / max(cells, 1)
    return Pace(rounds, cell_s=share, slow_s=min(2 * share, Pace().slow_s))


def _remarks(connection: Connection) -> list[str]:
    """What about this server makes figures mean something else than usual."""
    row = connection.execute("SELECT current_setting('full_page_writes')").fetchone()
    if row and row[0] == "on":
        return ["full_page_writes is on: WAL holds whole pages after each checkpoint, so its bytes compare roughly"]
    return []


def _profile(server: Server, source: str) -> str:
    """The profile the source was seeded with, as its marker says, else its name."""
    marker = read_marker(server, source) or {}
    return str(marker.get("profile", source))


def _measure_sets(server: Server, template: str, request: Request, profile: str, progress: Progress | None) -> Matrix:
    tell = _Counter(request.steps, progress)
    ledger = Ledger()
    results: list[SetResult] = []
    with Nursery(server, template, request.sets) as nursery:
        for one in request.sets:
            with nursery.planted(one, _titled(tell, one, "building ")) as (name, built):
                size = _settle(server, name)
                with open_probe(server, name, timeout_s=request.timeout_s) as probe:
                    _measure_cells(probe, one, request, tell, ledger)
                tell(f"{one.title}: writing", len(request.writes))
                writes = measure_writes(server, name, request.writes, request.targets)
            results.append(SetResult(one, built, size, writes))
    return Matrix(profile, request.workload, tuple(results), ledger.cells, ledger.settings, request.notes)


def _titled(tell: _Counter, one: IndexSet, what: str) -> Callable[[str], None]:
    return lambda name: tell(f"{one.title}: {what}{name}")


def _settle(server: Server, name: str) -> int:
    """Write everything out before measuring; the bytes of all indexes, those of rules included."""
    with connect(server.conninfo(name)) as connection:
        if server.owned:
            connection.execute("CHECKPOINT")
        row = connection.execute(_INDEX_BYTES).fetchone()
    return int(row[0]) if row else 0


def _measure_cells(probe: Probe, one: IndexSet, request: Request, tell: _Counter, ledger: Ledger) -> None:
    for case in request.workload.cases:
        tell(f"{one.title}: {case.name}")
        ledger.measure(probe, case, one, request.pace)
