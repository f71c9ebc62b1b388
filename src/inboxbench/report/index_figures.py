"""What the matrix says: each set's reads, its cost, who dominates whom, and which set to choose.

Reads are buffers (8 kB pages touched, hit or read): the one figure that repeats exactly on a noisy machine.
A query's read under a set is that of its worst parameter class, because a mean hides the account it fails.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean, median

from inboxbench.report.model import Cell, IndexSet, Matrix, ParetoRow, Query, Run
from inboxbench.units import known, ratio

# Reads this close to the best are as good as the best: then writes decide.
_NEAR = 2.0
# A cell that another set reads with so many times fewer pages is told, however good the rest is.
_LOST = 1.5
# WAL repeats within 0.03 % and sizes exactly; closer than this is the same cost.
_SAME_COST = 0.005


@dataclass(frozen=True, slots=True)
class SetResult:
    """One index set, read across all queries.

    `typical_reads` is the geometric mean over the queries of their worst class, so that one hopeless query
    cannot drown the rest; `worst` is the single most expensive cell; `median_reads` is over all cells. Where
    cells `failed`, all three are lower bounds.
    """

    index_set: IndexSet
    typical_reads: float | None
    median_reads: float | None
    worst: Cell | None
    wrong: tuple[Cell, ...]
    failed: tuple[Cell, ...]
    dominated_by: str | None = None

    @property
    def name(self) -> str:
        return self.index_set.name

    @property
    def worst_reads(self) -> float | None:
        return self.worst.buffers if self.worst else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every set's result, with the two that the words are about."""

    results: Sequence[SetResult]
    baseline: SetResult | None
    chosen: SetResult | None

    def of(self, name: str) -> SetResult | None:
        return next((result for result in self.results if result.name == name), None)


def compare(run: Run) -> Comparison:
    """The comparison of the run's index sets; empty when it measured none."""
    if run.matrix is None:
        return Comparison((), None, None)
    matrix = run.matrix
    measured = [set_result(matrix, index_set) for index_set in matrix.sets]
    told = {row.index_set: row for row in run.pareto}
    results = tuple(_with_dominance(result, measured, told.get(result.name)) for result in measured)
    baseline = _named(results, run.verdict.get("baseline")) or _baseline(results)
    chosen = _named(results, run.verdict.get("recommended")) or _best(results)
    return Comparison(results, baseline, chosen)


def set_result(matrix: Matrix, index_set: IndexSet) -> SetResult:
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
    )


def typical_reads(matrix: Matrix, queries: Iterable[Query], index_set: str) -> float | None:
    """The geometric mean over these queries of the reads of their worst class; a read of nothing counts as one."""
    worsts = [worst_cell(matrix.cells, query.name, index_set) for query in queries]
    reads = [max(cell.buffers or 0.0, 1.0) for cell in worsts if cell is not None]
    return geometric_mean(reads) if reads else None


def worst_cell(cells: Iterable[Cell], query: str, index_set: str | None = None) -> Cell | None:
    """The parameter class in which this query reads most (under this set, if one is named)."""
    wanted = (c for c in cells if c.query == query and index_set in (None, c.index_set))
    return _most_reads(wanted)


def same_cell(cells: Iterable[Cell], like: Cell, index_set: str) -> Cell | None:
    """The cell of the same query and parameter class under another set."""
    key = (like.query, like.parameter_class, index_set)
    return next((c for c in cells if (c.query, c.parameter_class, c.index_set) == key), None)


def most_saved(matrix: Matrix, base: SetResult, chosen: SetResult) -> tuple[Query, Cell, Cell] | None:
    """The query whose worst class gains most from the chosen set: the query, before and after."""
    pairs = [(query, *_pair(matrix, query, base, chosen)) for query in matrix.queries]
    whole = [(query, before, after) for query, before, after in pairs if before and after]
    return max(whole, key=lambda found: ratio(found[1].buffers, found[2].buffers) or 0.0, default=None)


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
    return max((c for c in cells if known(c.buffers)), key=lambda c: c.buffers or 0.0, default=None)


def _with_dominance(result: SetResult, others: Sequence[SetResult], told: ParetoRow | None) -> SetResult:
    """As the verdict says; the record of an older version says nothing, and then by what it has."""
    if told is not None:
        return replace(result, dominated_by=told.dominated_by)
    winner = next((other.name for other in others if _dominates(other, result)), None)
    return replace(result, dominated_by=winner)


def _dominates(one: SetResult, other: SetResult) -> bool:
    """No worse in reads, WAL per insert and size, better in at least one, and its rows are right."""
    if one.name == other.name or one.wrong or one.failed:
        return False
    pairs = list(zip(_costs(one), _costs(other), strict=True))
    if not all(known(a) and known(b) for a, b in pairs):
        return False
    clear = [_clearly(a or 0.0, b or 0.0) for a, b in pairs]
    return all(order <= 0 for order in clear) and any(order < 0 for order in clear)


def _costs(result: SetResult) -> tuple[float | None, float | None, float | None]:
    return result.typical_reads, result.index_set.insert_wal_bytes, result.index_set.bytes


def _clearly(one: float, other: float) -> int:
    """-1, 0, 1 for less, the same within what repeats, more."""
    if abs(one - other) <= _SAME_COST * max(one, other):
        return 0
    return -1 if one < other else 1


def _named(results: Sequence[SetResult], name: object) -> SetResult | None:
    return next((result for result in results if result.name == name), None)


def _baseline(results: Sequence[SetResult]) -> SetResult | None:
    """What is there today: the set called so, else the first one declared."""
    called = [r for r in results if r.name.startswith(("baseline", "single"))]
    return next(iter([*called, *results]), None)


def _best(results: Sequence[SetResult]) -> SetResult | None:
    """Among the sets that answer right and read at most twice the fewest pages, the one with least WAL per insert."""
    right = [r for r in results if not r.wrong and not r.failed and known(r.typical_reads)]
    limit = _NEAR * min((r.typical_reads or 0.0 for r in right), default=0.0)
    near = [r for r in right if (r.typical_reads or 0.0) <= limit]
    return min(near, key=lambda r: (r.index_set.insert_wal_bytes or 0.0, r.typical_reads or 0.0), default=None)
