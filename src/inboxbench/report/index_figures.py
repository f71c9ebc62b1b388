"""What the matrix says of each set, in figures and in sentences: its reads, its worst cell, what it answered wrongly.

Reads are buffers (8 kB pages touched, hit or read): the one figure that repeats exactly on a noisy machine.
A query's read under a set is that of its worst parameter class, because a mean hides the account it fails.
Which set is chosen and which one another beats is the verdict's to say (`report/verdict.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from inboxbench import units
from inboxbench.report.model import Cell, IndexSet, Matrix, Query, Run
from inboxbench.report.verdict import SetCost
from inboxbench.report.words import Finding, Sentence, Strong, describe_cell, listed
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
    """Return the figures of the run's index sets with its verdict; empty when it measured none."""
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
    """Return what is there today: the set called so, else the first one declared."""
    called = [result for result in results if result.name.startswith(("baseline", "single"))]
    return next(iter([*called, *results]), None)


def typical_reads(matrix: Matrix, queries: Iterable[Query], index_set: str) -> float | None:
    """Return the geometric mean over these queries of the reads of their worst class.

    A read of nothing counts as one.
    """
    worsts = [worst_cell(matrix.cells, query.name, index_set) for query in queries]
    reads = [max(cell.buffers or 0.0, 1.0) for cell in worsts if cell is not None]
    return geometric_mean(reads) if reads else None


def worst_cell(cells: Iterable[Cell], query: str, index_set: str | None = None) -> Cell | None:
    """Return the parameter class in which this query reads most (under this set, if one is named)."""
    return _most_reads(cell for cell in cells if cell.query == query and index_set in (None, cell.index_set))


def same_cell(cells: Iterable[Cell], like: Cell, index_set: str) -> Cell | None:
    """Return the cell of the same query and parameter class under another set."""
    key = (like.query, like.parameter_class, index_set)
    return next((cell for cell in cells if (cell.query, cell.parameter_class, cell.index_set) == key), None)


def most_saved(matrix: Matrix, base: SetResult, chosen: SetResult) -> tuple[Query, Cell, Cell] | None:
    """Return the query whose worst class gains most from the chosen set: the query, before and after."""
    pairs = [(query, *_pair(matrix, query, base, chosen)) for query in matrix.queries]
    whole = [(query, before, after) for query, before, after in pairs if before and after]
    return max(whole, key=lambda pair: ratio(pair[1].buffers, pair[2].buffers) or 0.0, default=None)


def most_lost(matrix: Matrix, chosen: SetResult, results: Iterable[SetResult]) -> tuple[Cell, Cell, SetResult] | None:
    """Return the chosen set's cell that another set beats by most, that set's cell, and the set.

    None where none gains.
    """
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
    """Return the queries by family, both in the order they are declared."""
    grouped: dict[str, list[Query]] = {}
    for query in matrix.queries:
        grouped.setdefault(query.family or "queries", []).append(query)
    return grouped


def _pair(matrix: Matrix, query: Query, base: SetResult, chosen: SetResult) -> tuple[Cell | None, Cell | None]:
    before = worst_cell(matrix.cells, query.name, base.name)
    return before, same_cell(matrix.cells, before, chosen.name) if before else None


def _most_reads(cells: Iterable[Cell]) -> Cell | None:
    return max((cell for cell in cells if known(cell.buffers)), key=lambda cell: cell.buffers or 0.0, default=None)


_NO_VERDICT = "The record has no verdict; measure again with `inboxbench bench` to get one."


def index_findings(run: Run, comparison: Comparison) -> tuple[Finding | None, ...]:
    """Return the choice, its price, the sets not worth building, and the answers that were wrong or missing."""
    return (
        _choice(run, comparison),
        _cost(comparison),
        _not_tried(run),
        _dominated(comparison),
        _wrong_rows(comparison),
        _remarked("Any is right", run.matrix.ties if run.matrix else ()),
        _remarked("Generic plan", run.matrix.generic_plans if run.matrix else ()),
        _failed(comparison),
    )


def _choice(run: Run, comparison: Comparison) -> Finding | None:
    chosen, base = comparison.chosen, comparison.baseline
    if run.matrix is None or not comparison.results:
        return None
    if chosen is None:
        return Finding("Index set", ((run.verdict.headline or _NO_VERDICT,),))
    if base is None or base.name == chosen.name:
        keep: Sentence = ("Keep ", Strong(chosen.name), f": {_rule(run)}{_why_kept(chosen, comparison)}.")
        return Finding("Index set", (keep, _still_worst(run.matrix, chosen)), "good")
    title = f" ({chosen.index_set.title})" if chosen.index_set.title not in ("", chosen.name) else ""
    rule = _rule(run).removesuffix("; ")
    first: Sentence = ("Choose ", Strong(chosen.name), f"{title}{f': {rule}' if rule else ''}.")
    sentences = [first, _typical(chosen, base), _median(chosen, base)]
    sentences.append(_by_family(run.matrix, chosen, base))
    gained = most_saved(run.matrix, base, chosen)
    if gained is not None:
        _, before, after = gained
        sentences.append(_gain(describe_cell(run.matrix, before), before, after))
    sentences += [_still_worst(run.matrix, chosen), _beaten(run.matrix, chosen, comparison)]
    return Finding("Index set", tuple(sentence for sentence in sentences if sentence), "good")


def _rule(run: Run) -> str:
    """Return what the choice was decided by, as the verdict's headline says it behind the set's title."""
    _title, colon, rule = run.verdict.headline.partition(": ")
    return f"{rule.removesuffix('.')}; " if colon else ""


def _not_tried(run: Run) -> Finding | None:
    """Return the sets of the catalogue that did not stand for election."""
    reasons: dict[str, list[str]] = {}
    for left in run.verdict.not_tried:
        reasons.setdefault(left.why, []).append(left.index_set)
    sentences: list[Sentence] = [(Strong(listed(names)), f": {why}.") for why, names in reasons.items()]
    return Finding("Not tried", tuple(sentences)) if sentences else None


def _why_kept(kept: SetResult, comparison: Comparison) -> str:
    """Return what speaks against the sets that read less than the one that is there."""
    reads = kept.typical_reads
    less = [r for r in comparison.results if reads and r.typical_reads and r.typical_reads < reads]
    reasons = {
        "with other rows": [r.name for r in less if r.wrong],
        "without an answer to every query": [r.name for r in less if r.failed and not r.wrong],
        "not enough to pay at the mix": [r.name for r in less if not (r.wrong or r.failed)],
    }
    return (
        "; ".join(f"{listed(names)} would read less, but {reason}" for reason, names in reasons.items() if names)
        or "no other set that was measured reads less"
    )


def _typical(chosen: SetResult, base: SetResult) -> Sentence:
    if chosen.typical_reads is None or base.typical_reads is None:
        return ()
    return (
        "With its worst parameters a typical query reads ",
        Strong(f"{units.pages(chosen.typical_reads)} instead of {units.number(base.typical_reads)}"),
        f" under {base.name}{_less(chosen.typical_reads, base.typical_reads)}.",
    )


def _median(chosen: SetResult, base: SetResult) -> Sentence:
    if chosen.median_reads is None or base.median_reads is None:
        return ()
    return (
        "The median of all measurements goes from "
        f"{units.number(base.median_reads)} to {units.pages(chosen.median_reads)}"
        f"{_less(chosen.median_reads, base.median_reads)}.",
    )


def _by_family(matrix: Matrix, chosen: SetResult, base: SetResult) -> Sentence:
    """Return each family's typical reads before and after; nothing to say where there is only one."""
    reads = []
    for family, queries in families(matrix).items():
        before, after = (typical_reads(matrix, queries, r.name) for r in (base, chosen))
        if units.known(before) and units.known(after):
            reads.append(f"{family} {units.number(before)} → {units.number(after)}")
    return (f"By family, in pages: {', '.join(reads)}.",) if len(reads) > 1 else ()


def _beaten(matrix: Matrix, chosen: SetResult, comparison: Comparison) -> Sentence:
    """Return the cell in which another set beats the chosen one by most, and what that set pays."""
    lost = most_lost(matrix, chosen, comparison.results)
    if lost is None:
        return ()
    mine, theirs, other = lost
    wal = units.change(other.index_set.insert_wal_bytes, chosen.index_set.insert_wal_bytes)
    price = f" at {wal} WAL per insert" if wal else ""
    return (
        f"It is not best at everything: {describe_cell(matrix, mine)} reads {units.pages(mine.buffers)}, "
        f"{units.number(theirs.buffers)} under {other.name}{price}.",
    )


def _gain(name: str, before: Cell, after: Cell) -> Sentence:
    return (
        f"Largest gain: {name}, from {units.number(before.buffers)} to {units.pages(after.buffers)}"
        f"{_less(after.buffers, before.buffers)}.",
    )


def _less(now: float | None, before: float | None) -> str:
    saved = units.ratio(before, now)
    if saved is None or round(saved, 1) == 1.0:
        return ""
    return f", {units.times(saved)} less" if saved > 1 else f", {units.times(1 / saved)} more"


def _still_worst(matrix: Matrix, chosen: SetResult) -> Sentence:
    if chosen.worst is None:
        return ("It has no measured reads.",)
    where = describe_cell(matrix, chosen.worst)
    return (f"Its own worst read is {where} with {units.pages(chosen.worst_reads)}.",)


def _cost(comparison: Comparison) -> Finding | None:
    chosen, base = comparison.chosen, comparison.baseline
    if chosen is None:
        return None
    mine = chosen.index_set
    other = base.index_set if base and base.name != chosen.name else IndexSet(name="")
    parts = [
        (units.size(mine.bytes), "of indexes", units.change(mine.bytes, other.bytes)),
        (
            units.wal(mine.insert_wal_bytes),
            "of WAL per insert",
            units.change(mine.insert_wal_bytes, other.insert_wal_bytes),
        ),
        (units.seconds(mine.build_s), "to build", ""),
    ]
    sentences: list[Sentence] = [_priced(parts, base.name if base else None), _hot(chosen, base)]
    return Finding("What it costs", tuple(s for s in sentences if s))


def _priced(parts: Sequence[tuple[str, str, str]], base: str | None) -> Sentence:
    words: list[str] = []
    known = [part for part in parts if part[0] != units.DASH]
    for position, (figure, what, change) in enumerate(known):
        words.append("" if position == 0 else " and " if position == len(known) - 1 else ", ")
        words.append(Strong(f"{figure} {what}"))
        words.append(f" ({change})" if change else "")
    compared = f"; changes are against {base}" if base and any(part[2] for part in known) else ""
    return (*words, f"{compared}.") if known else ()


def _hot(chosen: SetResult, base: SetResult | None) -> Sentence:
    mine = chosen.index_set.hot_share
    if mine is None:
        return ()
    before = base.index_set.hot_share if base and base.name != chosen.name else None
    against = f"; {base.name}: {units.share(before)}" if base and before is not None else ""
    return (Strong(units.share(mine)), f" of updates stay inside their page (HOT{against}).")


def _dominated(comparison: Comparison) -> Finding | None:
    """Return the losers by the set that beats them."""
    losers: dict[str, list[str]] = {}
    for result in comparison.results:
        if result.dominated_by and result is not comparison.chosen:
            losers.setdefault(result.dominated_by, []).append(result.name)
    sentences = tuple(
        (Strong(listed(names)), f": {winner} is no worse in any column that repeats, and better in one.")
        for winner, names in losers.items()
    )
    return Finding("Not worth building", sentences) if sentences else None


def _wrong_rows(comparison: Comparison) -> Finding | None:
    wrong = [cell for result in comparison.results for cell in result.wrong]
    if not wrong:
        return None
    cells = listed(sorted({f"{c.query} under {c.index_set}" for c in wrong}))
    sentences: list[Sentence] = [(Strong(f"{len(wrong)} measurements"), f" returned other rows: {cells}.")]
    unsure = {f"{c.query} under {c.index_set}": c.undecided for c in wrong if c.undecided}
    sentences += [
        (f"It cannot be decided whether the rows of {name} are right as well: {why}.",) for name, why in unsure.items()
    ]
    return Finding("Wrong rows", tuple(sentences), "bad")


def _remarked(title: str, remarks: Sequence[str]) -> Finding | None:
    """Return remarks of the matrix as they stand: open choices of rows, generic plans that are dearer."""
    return Finding(title, tuple((f"{remark}.",) for remark in remarks)) if remarks else None


def _failed(comparison: Comparison) -> Finding | None:
    failed = [cell for result in comparison.results for cell in result.failed]
    if not failed:
        return None
    counts = Counter((c.query, c.index_set, c.failure) for c in failed)
    sentences = [
        (Strong(f"{query} under {name}"), f": {failure} ({number} of its classes).")
        for (query, name, failure), number in counts.items()
    ]
    return Finding("No answer", tuple(sentences), "bad")
