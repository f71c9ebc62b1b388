"""The matrix: every case under every index set, each set on a clone of one prepared template."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inboxbench.database import Connection, connect, read_marker, scratch_database
from inboxbench.measure.cell import Measured, Probe, Row, measure, open_probe
from inboxbench.measure.indexset import (
    BuiltIndex,
    IndexSet,
    build,
    install_extensions,
    read_catalogue,
    try_definitions,
)
from inboxbench.measure.result import Cell, Matrix, SetResult, normal
from inboxbench.measure.sample import DEFAULT_ROUNDS, Pace
from inboxbench.measure.template import analyse, prepared_template
from inboxbench.measure.workload import Case, Workload, draw_cases, read_workload
from inboxbench.measure.write import draw_targets, measure_writes, read_writes
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import QueryFile

# Chatwoot's own statement_timeout: what is slower than this is an error page to a user.
TIMEOUT_S = 14.0

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
    sets: Sequence[str] | None = None,
    queries: Sequence[str] | None = None,
    rounds: int = DEFAULT_ROUNDS,
    budget_s: float | None = None,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> Matrix:
    """Measure the project's queries on `source`, a database at head, which is read and never written.

    sets, queries: names (None: the default ones, all). budget_s: about how long reading may take in all; slow
    cells get fewer rounds for it, never fewer than one execution. progress(done, total, what comes next).

    Raises UsageError for unknown names and wrong definitions before anything is built. A cell that fails or
    differs does not stop the rest: see Matrix.failures.
    """
    catalogue = read_catalogue(project.schema / "indexes.toml")
    chosen = catalogue.choose(sets)
    workload, writes = read_workload(project, queries), read_writes(project)
    if progress:
        progress(0, 0, "preparing a copy without secondary indexes")
    with prepared_template(server, source) as template:
        with connect(server.conninfo(template)) as connection:
            indexes = [index for one in chosen for index in one.indexes]
            install_extensions(connection, indexes)
            try_definitions(connection, catalogue.path, indexes)
            workload = draw_cases(workload, connection, project)
            targets = {one.classes[0]: draw_targets(connection, project.bench / "targets", one) for one in writes}
        pace = _pace(rounds, budget_s, len(chosen) * len(workload.cases))
        request = Request(chosen, workload, writes, targets, pace, timeout_s)
        return _measure_sets(server, template, request, _profile(server, source), progress)


def _pace(rounds: int, budget_s: float | None, cells: int) -> Pace:
    if budget_s is None:
        return Pace(rounds)
    share = budget_s / max(cells, 1)
    return Pace(rounds, cell_s=share, slow_s=min(2 * share, Pace().slow_s))


def _profile(server: Server, source: str) -> str:
    """The profile the source was seeded with, as its marker says, else its name."""
    marker = read_marker(server, source) or {}
    return str(marker.get("profile", source))


def _measure_sets(
    server: Server, template: str, request: Request, profile: str, progress: Progress | None
) -> Matrix:
    tell = _Counter(request.steps, progress)
    results: list[SetResult] = []
    cells: list[Cell] = []
    reference: dict[str, tuple[Row, ...]] = {}
    settings: dict[str, str] = {}
    for one in request.sets:
        with scratch_database(server, f"set_{one.name}"[:40], template) as name:
            built, size = _build(server, name, one, tell)
            measured = _measure_cells(server, name, one, request, tell)
            tell(f"{one.title}: writing", len(request.writes))
            writes = measure_writes(server, name, request.writes, request.targets)
        results.append(SetResult(one, built, size, writes))
        for case, outcome in measured:
            cells.append(_judge(case, one, outcome, reference))
            settings |= outcome.plan.settings if outcome.plan else {}
    return Matrix(profile, request.workload, tuple(results), tuple(cells), settings, request.workload.skipped)


def _build(server: Server, name: str, one: IndexSet, tell: _Counter) -> tuple[tuple[BuiltIndex, ...], int]:
    """The set's indexes and the bytes of all indexes, rules included."""
    with connect(server.conninfo(name)) as connection:
        built = build(connection, one, lambda index: tell(f"{one.title}: building {index}"))
        for table in _tables_with_expressions(connection):
            analyse(connection, table)
        size = _index_bytes(connection)
        if server.owned:
            connection.execute("CHECKPOINT")
    return built, size


def _tables_with_expressions(connection: Connection) -> list[str]:
    """Tables whose statistics grew: an index on an expression has statistics of its own, collected by ANALYZE."""
    rows = connection.execute(
        """
        SELECT DISTINCT t.relname FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid
        WHERE x.indexprs IS NOT NULL AND t.relnamespace = 'public'::regnamespace ORDER BY 1
        """
    ).fetchall()
    return [name for (name,) in rows]


def _index_bytes(connection: Connection) -> int:
    row = connection.execute(
        """
        SELECT coalesce(sum(pg_relation_size(i.oid)), 0) FROM pg_class i
        WHERE i.relkind = 'i' AND i.relnamespace = 'public'::regnamespace
        """
    ).fetchone()
    return int(row[0]) if row else 0


def _measure_cells(
    server: Server, name: str, one: IndexSet, request: Request, tell: _Counter
) -> list[tuple[Case, Measured]]:
    with open_probe(server, name, timeout_s=request.timeout_s) as probe:
        return [(case, _one_cell(probe, case, one, request.pace, tell)) for case in request.workload.cases]


def _one_cell(probe: Probe, case: Case, one: IndexSet, pace: Pace, tell: _Counter) -> Measured:
    tell(f"{one.title}: {case.name}")
    return measure(probe, case, pace)


def _judge(case: Case, one: IndexSet, outcome: Measured, reference: dict[str, tuple[Row, ...]]) -> Cell:
    """The cell, its rows compared with those of the first set that answered."""
    cell = Cell(
        case=case,
        index_set=one.name,
        plan=outcome.plan,
        timing=outcome.timing,
        failure=outcome.failure,
        steady=outcome.steady,
    )
    if outcome.rows is None:
        return cell
    rows = normal(outcome.rows, case.query.order)
    return replace(cell, same_rows=reference.setdefault(case.name, rows) == rows)
