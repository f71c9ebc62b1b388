"""The tables of a run: each one value, which the terminal, Markdown and the page write."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench import units
from inboxbench.report.charts.races import race_groups
from inboxbench.report.findings import unsafe_strategies
from inboxbench.report.index_figures import Comparison, SetResult, families, worst_cell
from inboxbench.report.model import NOTICED_MS, IndexSet, Matrix, Migration, Race, Run, Traffic
from inboxbench.report.model import Cell as Measured
from inboxbench.report.table import Cell, Column, Row, Table, Tone, figures, words
from inboxbench.report.verdict import BreakEven, SetCost, Verdict

_MOST_SETS = 5  # columns of names and figures that fit beside the queries on a terminal


def run_tables(run: Run, comparison: Comparison) -> dict[str, Table | None]:
    """Return the tables of a run by name, in the order in which they are shown; None for each part that it has not."""
    migration = run.migration
    return {
        "sets": sets_table(comparison) if comparison.results else None,
        "mix": mix_table(run.verdict),
        "even": even_table(run.verdict),
        "reads": reads_table(run.matrix, comparison) if run.matrix and comparison.results else None,
        "traffic": traffic_table(migration) if migration and migration.traffic else None,
        "races": race_table(run.races) if run.races else None,
    }


def sets_table(comparison: Comparison) -> Table:
    """Return each set: what it reads, and what it costs to have."""
    base = comparison.baseline
    columns = [
        *words("set"),
        Column("indexes", detail=True),
        Column("typical"),
        Column(f"fewer than {base.name}" if base else "fewer", units.times, detail=True),
        *figures(units.number, "median", "worst"),
        Column("size", units.size),
        Column("build", units.seconds),
        *figures(units.wal, "WAL/insert", "WAL/update"),
        Column("inserts, one client", units.rate, detail=True),
        Column("HOT", units.share),
    ]
    title = "Index sets: reads in 8 kB pages, each query with its worst parameters; typical is their geometric mean"
    return Table(title, columns, [_set_row(result, comparison) for result in comparison.results])


def _set_row(result: SetResult, comparison: Comparison) -> Row:
    index_set, base = result.index_set, comparison.baseline
    bound, worst = bool(result.failed), result.worst
    remark, tone = _remark(comparison.is_chosen(result), result.dominated_by, wrong=bool(result.wrong))
    cells: list[Cell | str | float | None] = [
        result.name,
        len(index_set.indexes) or None,
        Cell(result.typical_reads, bound=bound),
        units.ratio(base.typical_reads, result.typical_reads) if base else None,
        result.median_reads,
        Cell(result.worst_reads, bound=bound, note=worst.query if worst else ""),
        index_set.bytes,
        index_set.build_s,
        index_set.insert_wal_bytes,
        index_set.update_wal_bytes,
        index_set.insert_per_s,
        index_set.hot_share,
    ]
    note = index_set.title if index_set.title != result.name else ""
    return Row(cells, remark, tone, note, chosen=comparison.is_chosen(result))


def _remark(chosen: bool, dominated_by: str | None, *, wrong: bool = False) -> tuple[str, Tone]:
    """Return a word on a set: what disqualifies it, whether to choose it, whether another beats it."""
    if wrong:
        return "wrong rows", "bad"
    if chosen:
        return "choose", "good"
    return (f"dominated by {dominated_by}", "") if dominated_by else ("", "")


def mix_table(verdict: Verdict) -> Table | None:
    """Return what a request of the mix costs under each set, the costliest first; None in a record that has no mix."""
    if not verdict.mix.text:
        return None
    columns = [
        *words("set"),
        *figures(units.number, "reads mean", "reads worst", "ms mean", "ms worst"),
        *figures(units.rate, "inserts, pgbench", "updates, pgbench"),
        *figures(units.number, "a read", "a write", "a request"),
    ]
    title = f"Each set at the mix {verdict.mix.text}, the costliest first"
    parts = "a read, a write and a request" if verdict.has_writes else "a read and a request"
    notes = [f"Cost of {parts} of the mix: in {verdict.currency}."]
    return Table(title, columns, [_cost_row(row, writes=verdict.has_writes) for row in verdict.by_cost], notes)


def _cost_row(row: SetCost, *, writes: bool) -> Row:
    reads = [Cell(value, bound=row.lower_bound) for value in (row.reads_mean, row.reads_worst)]
    costs = [row.read_cost, row.write_cost if writes else None, row.cost]
    remark, tone = _remark(row.recommended, row.dominated_by)
    return Row(
        [
            row.index_set,
            *reads,
            *(row.ms_mean, row.ms_worst, row.insert_per_s, row.update_per_s),
            *(Cell(cost, bound=row.lower_bound) for cost in costs),
        ],
        remark,
        tone,
        chosen=row.recommended,
    )


def even_table(verdict: Verdict) -> Table | None:
    """Return where any two sets cost the same; None where nothing says so."""
    if not verdict.break_even:
        return None
    columns = [*words("Sets", "Even at"), Column("By the clock")]
    rows = [
        Row([f"{even.leaner} and {even.reader}", even_words(even), even.reads_per_write_by_time])
        for even in verdict.break_even
    ]
    title = "Reads for a write at which two sets cost the same: extra pages of a write over pages saved at a read"
    return Table(title, columns, rows)


def even_words(even: BreakEven) -> str:
    """Return where two sets are even, as a cell of a table."""
    if even.always:
        return f"{even.always} costs less at any number"
    bound = "at most " if even.upper_bound else ""
    return f"{even.reader} from {bound}{units.number(even.reads_per_write)} reads for a write on"


def reads_table(matrix: Matrix, comparison: Comparison) -> Table:
    """Pages of each query with its worst parameters, under as many sets as fit."""
    sets = _most_telling(comparison)
    rows = [
        Row([query.name, *(_reads(matrix, query.name, result.name) for result in sets)], group=family)
        for family, queries in families(matrix).items()
        for query in queries
    ]
    columns = [*words("query"), *figures(units.number, *(result.name for result in sets))]
    return Table("Pages read by each query with its worst parameters", columns, rows)


def _reads(matrix: Matrix, query: str, index_set: str) -> float | None:
    cell = worst_cell(matrix.cells, query, index_set)
    return cell.buffers if cell else None


def _most_telling(comparison: Comparison) -> list[SetResult]:
    """Return as many sets as fit: the choice first, so that a narrow screen shows it beside the query, and the baseline
    always, then those that no other dominates."""
    first = [result for result in comparison.results if result in (comparison.baseline, comparison.chosen)]
    rest = sorted((result for result in comparison.results if result not in first), key=lambda r: bool(r.dominated_by))
    kept = [*first, *rest][:_MOST_SETS]
    return sorted((r for r in comparison.results if r in kept), key=lambda r: not comparison.is_chosen(r))


def cells_table(matrix: Matrix) -> Table:
    """Return every case under every set, the case that the sets differ most in first."""
    cases: dict[str, list[Measured]] = {}
    for cell in matrix.cells:
        cases.setdefault(cell.name, []).append(cell)
    rows = [Row([name, *map(_figure, cells)]) for name, cells in sorted(cases.items(), key=_spread, reverse=True)]
    notes = ["~ the round trip is within that of a query with nothing to do: compare buffers"]
    return Table(
        "buffers · median ms of server time, the widest difference first",
        [*words("query [class]"), *figures(units.number, *(index_set.name for index_set in matrix.sets))],
        rows,
        notes if any(cell.below_floor for cell in matrix.cells) else [],
    )


def _spread(case: tuple[str, Sequence[Measured]]) -> float:
    """Return how far apart the sets are for a case: the worst buffers over the best; a stopped cell is worst of all."""
    buffers = [cell.buffers for cell in case[1]]
    known = [max(value, 1) for value in buffers if value is not None]
    return max(known) / min(known) if len(known) == len(buffers) else float("inf")


def _figure(cell: Measured) -> Cell:
    if cell.buffers is None or cell.median_ms is None:
        return Cell("stopped" if cell.stopped else "failed", "bad")
    text = f"{cell.buffers:,.0f} · {'~' if cell.below_floor else ''}{cell.median_ms:,.2f}"
    return Cell(f"{text} other rows", "bad") if cell.same_rows is False else Cell(text)


def index_table(index_set: IndexSet) -> Table:
    """Return the indexes of a set, each with its definition."""
    columns = [*words("Index", "Serves"), Column("Size", units.size), Column("Build", units.seconds)]
    rows = [
        Row([Cell(index.name, note=index.definition), ", ".join(index.serves), index.bytes, index.build_s])
        for index in index_set.indexes
    ]
    return Table(f"Indexes of {index_set.name}", columns, rows)


def write_table(index_set: IndexSet) -> Table:
    """Return what each kind of write costs under a set."""
    columns = [*words("Write"), Column("WAL each", units.wal), Column("Per second", units.rate)]
    columns.append(Column("HOT share", units.share))
    rows = [
        Row([write.name, write.wal_bytes, write.per_s, write.hot_share], note=write.title) for write in index_set.writes
    ]
    return Table(f"What a write costs under {index_set.name}", columns, rows)


def traffic_table(migration: Migration) -> Table:
    """Return what each class of requests saw while the migration ran."""
    columns = [
        *words("requests", "kind"),
        *figures(units.number, "count", "failed"),
        *figures(units.millis, "median", "p99", "longest wait", "standstill"),
        *words("during"),
    ]
    return Table(
        "Live requests during the upgrade, from when each was due",
        columns,
        [_traffic_row(traffic) for traffic in migration.traffic],
    )


def _traffic_row(traffic: Traffic) -> Row:
    failed = Cell(traffic.errors, "bad" if traffic.errors else "")
    still = traffic.still_ms if (traffic.still_ms or 0.0) >= NOTICED_MS else None
    times = (traffic.p50_ms, traffic.p99_ms, traffic.waited_ms, still)
    error = traffic.first_error or ""
    return Row([traffic.name, traffic.kind, traffic.requests, failed, *times, traffic.worst_revision], note=error)


def race_table(races: Sequence[Race]) -> Table:
    """Return the races by the conditions that they ran under."""
    columns = [
        *words("strategy"),
        Column("workers"),
        Column("rows", detail=True),
        *figures(units.number, "doubled", "retries", "deadlocks"),
        *(Column(title, units.millis, detail=True) for title in ("claim, median", "claim, p99")),
        Column("took", units.seconds, detail=True),
        Column("assignments", units.rate),
    ]
    unsafe, groups = unsafe_strategies(races), race_groups(races).items()
    rows = [_race_row(race, heading, race.strategy in unsafe) for heading, group in groups for race in group]
    return Table("Races: many workers claim rows at once", columns, rows)


def _race_row(race: Race, heading: str, unsafe: bool) -> Row:
    doubles = Cell(race.doubles, "bad" if race.doubles else "")
    cells = [race.strategy, race.workers, race.rows, doubles, race.retries, race.deadlocks, race.p50_ms, race.p99_ms]
    remark: tuple[str, Tone] = ("unsafe", "bad") if unsafe else ("safe", "good")
    return Row([*cells, race.seconds, race.per_s], *remark, group=heading)
