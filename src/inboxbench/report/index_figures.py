"""What the matrix says of each set: its reads, its worst cell, what it answered wrongly or not at all.

Reads are buffers (8 kB pages touched, hit or read): the one figure that repeats exactly on a noisy machine.
A query's read under a set is that of its worst parameter class, because a mean hides the account it fails.
Which set is chosen and which one another beats is the verdict's to say (`report/verdict.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from inboxbench.report.model import Cell, IndexSet, Matrix, Query, Run
from inboxbench.report.verdict import SetCost
from inboxbench.units import known, ratio

# A cell that another set reads with so many times fewer pages is named, however good the rest is.
_LOST = 1.5


@dataclass(frozen=True, slots=True)
class SetResult:
    """One index set, read across all queries.

    `typical_reads` is the geometric mean over the queries of their worst class, so that one hopeless query
    cannot drown the rest; `worst` is the single most expensive cell; `median_reads` is over all cells. Where
    cells `failed`, all three are lower bounds. cost: its line in the verdict, None where the record has none.
    """

    index_set: IndexSet
    typical_reads: float | None
    median_reads: float | None
    worst: Cell | None
    wrong: tuple[Cell, ...]
    failed: tuple[Cell, ...]
    cost: SetCost | None = None

    @property
    def name(self) -> str:
        return self.index_set.name

    @property
    def worst_reads(self) -> float | None:
        return self.worst.buffers if self.worst else None

    @property
    def dominated_by(self) -> str | None:
        return self.cost.dominated_by if self.cost else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every set's result, with the two that the words are about."""

    results: Sequence[SetResult]
    baseline: SetResult | None
    chosen: SetResult | None

    def of(self, name: str | None) -> SetResult | None:
        return next((result for result in self.results if result.name == name), None)

    def is_chosen(self, result: SetResult) -> bool:
        return self.chosen is not None and self.chosen.name == result.name


def compare(run: Run) -> Comparison:
    """Return the figures of the run's index sets beside its verdict; empty when it measured none."""
    if run.matrix is None:
        return Comparison((), None, None)
    results = tuple(
        _result(run.matrix, index_set, run.verdict.cost_of(index_set.name)) for index_set in run.matrix.sets
    )
    every = Comparison(results, None, None)
    return Comparison(results, every.of(run.verdict.baseline) or _baseline(results), every.of(run.verdict.chosen))


def _result(matrix: Matrix, index_set: IndexSet, cost: SetCost | None) -> SetResult:
    """One set's figures over all the cells measured under it."""
    cells = [cell for cell in matrix.cells if cell.index_set == index_set.name]
    reads = [cell.buffers for cell in cells if known(cell.buffers)]
    return SetResult(
        index_set=index_set,
        typical_reads=typical_reads(matrix, matrix.queries, index_set.name),
        median_reads=median(reads) if reads else None,
        worst=_most_reads(cells),
        wrong=tuple(cell for cell in cells if cell.same_rows is False),
        failed=tuple(cell for cell in cells if cell.failure),
        cost=cost,
    )


def _baseline(results: Sequence[SetResult]) -> SetResult | None:
    """What is there today: the set called so, else the first one declared."""
    called = [result for result in results if result.name.startswith(("baseline", "single"))]
    return next(iter([*called, *results]), None)


def typical_reads(matrix: Matrix, queries: Iterable[Query], index_set: str) -> float | None:
    """The geometric mean over these queries of the reads of their worst class; a read of nothing counts as one."""
    worsts = [worst_cell(matrix.cells, query.name, index_set) for query in queries]
    reads = [max(cell.buffers or 0.0, 1.0) for cell in worsts if cell is not None]
    return geometric_mean(reads) if reads else None


def worst_cell(cells: Iterable[Cell], query: str, index_set: str | None = None) -> Cell | None:
    """The parameter class in which this query reads most (under this set, if one is named)."""
    return _most_reads(cell for cell in cells if cell.query == query and index_set in (None, cell.index_set))


def same_cell(cells: Iterable[Cell], like: Cell, index_set: str) -> Cell | None:
    """The cell of the same query and parameter class under another set."""
    key = (like.query, like.parameter_class, index_set)
    return next((cell for cell in cells if (cell.query, cell.parameter_class, cell.index_set) == key), None)


def most_saved(matrix: Matrix, base: SetResult, chosen: SetResult) -> tuple[Query, Cell, Cell] | None:
    """The query whose worst class gains most from the chosen set: the query, before and after."""
    pairs = [(query, *_pair(matrix, query, base, chosen)) for query in matrix.queries]
    whole = [(query, before, after) for query, before, after in pairs if before and after]
    return max(whole, key=lambda pair: ratio(pair[1].buffers, pair[2].buffers) or 0.0, default=None)


def most_lost(matrix: Matrix, chosen: SetResult, results: Iterable[SetResult]) -> tuple[Cell, Cell, SetResult] | None:
    """The chosen set's cell that another set beats by most, that set's cell, and the set; None where none gains."""
    pairs = [
        (cell, other, result)
        for result in results
        for cell in matrix.cells
        if cell.index_set == chosen.name and (other := same_cell(matrix.cells, cell, result.name))
    ]
    beaten = [pair for pair in pairs if (ratio(pair[0].buffers, pair[1].buffers) or 0.0) > _LOST]
    return max(
        beaten,
        key=lambda pair: (ratio(pair[0].buffers, pair[1].buffers) or 0.0, -(pair[2].typical_reads or 0.0)),
        default=None,
    )


def families(matrix: Matrix) -> dict[str, list[Query]]:
    """The queries by family, both in the order they are declared."""
    grouped: dict[str, list[Query]] = {}
    for query in matrix.queries:
        grouped.setdefault(query.family or "queries", []).append(query)
    return grouped


def _pair(matrix: Matrix, query: Query, base: SetResult, chosen: SetResult) -> tuple[Cell | None, Cell | None]:
    before = worst_cell(matrix.cells, query.name, base.name)
    return before, same_cell(matrix.cells, before, chosen.name) if before else None


def _most_reads(cells: Iterable[Cell]) -> Cell | None:
    return max((cell for cell in cells if known(cell.buffers)), key=lambda cell: cell.buffers or 0.0, default=None)
