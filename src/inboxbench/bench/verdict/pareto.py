"""Computes what sets cost at a mix of requests, which are dominated, where two break even, and which one is best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, geometric_mean

from inboxbench.bench.model import Cell, Matrix, SetResult
from inboxbench.bench.verdict.cost import statement_cost
from inboxbench.bench.workload.mix import DEFAULT, Mix, Weights, mixed
from inboxbench.bench.workload.writes import WriteCost
from inboxbench.report.verdict import BreakEven

WAL_PER_PAGE = 512
# Sizes and buffers repeat exactly, WAL within 0.03 %: closer than this is the same.
_SAME = 0.005
# Times of no figure at all: a cell below the clock.
_LEAST_MS = 0.001


@dataclass(frozen=True, slots=True)
class Read:
    """A query under a set: buffers and milliseconds of server time, the mean of its parameter classes and the worst;
    cost: of the class that costs most, in pages.

    Where a class was `stopped` by the timeout, they are lower bounds. ms: None where nothing was timed.
    """

    family: str
    mean: float
    worst: float
    mean_ms: float | None
    worst_ms: float | None
    stopped: bool
    cost: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A set in figures. stopped: cells that ran into statement_timeout; wrong: cells with other rows than the rest,
    except where these may be right as well and that cannot be decided."""

    result: SetResult
    reads_by_query: Mapping[str, Read]
    stopped: int = 0
    wrong: int = 0

    @property
    def name(self) -> str:
        return self.result.index_set.name

    @property
    def title(self) -> str:
        return self.result.index_set.title

    @property
    def insert_wal(self) -> float:
        return self.result.wal_bytes("insert") or 0.0

    def typical(self, figure: Callable[[Read], float], family: str | None = None) -> float:
        """Return the geometric mean over the queries (of a family): one hopeless query does not drown the rest."""
        reads = [read for read in self.reads_by_query.values() if family in (None, read.family)]
        return geometric_mean(figure(read) for read in reads)

    def typical_ms(self, figure: Callable[[Read], float | None]) -> float | None:
        """Return the same of milliseconds; None where a query has none."""
        times = [figure(read) for read in self.reads_by_query.values()]
        known = [time for time in times if time is not None]
        return geometric_mean(known) if len(known) == len(times) else None

    @property
    def reads(self) -> float:
        return self.typical(lambda read: read.worst)

    @property
    def by_family(self) -> dict[str, float]:
        families = dict.fromkeys(read.family for read in self.reads_by_query.values())
        return {family: self.typical(lambda read: read.worst, family) for family in families}


@dataclass(frozen=True, slots=True)
class Price:
    """Holds what a mean read and a mean write cost under a set, in one currency."""

    read: float
    write: float

    def at(self, write_share: float) -> float:
        return (1 - write_share) * self.read + write_share * self.write


def standings(matrix: Matrix) -> list[Standing]:
    """Return sets that answered anything; a stopped cell has no figure that could be averaged."""
    found = []
    for result in matrix.sets:
        cells = [cell for cell in matrix.cells if cell.index_set == result.index_set.name]
        if any(cell.plan for cell in cells):
            wrong = sum(cell.same_rows is False and cell.undecided is None for cell in cells)
            found.append(Standing(result, _reads(cells), sum(cell.stopped for cell in cells), wrong))
    return found


def buffers(cell: Cell) -> int:
    """At least one, so that ratios exist."""
    return max(cell.plan.buffers, 1) if cell.plan else 1


def _reads(cells: Iterable[Cell]) -> dict[str, Read]:
    by_query: dict[str, list[Cell]] = {}
    for cell in cells:
        by_query.setdefault(cell.case.query.name, []).append(cell)
    reads = {name: _read(row) for name, row in by_query.items()}
    return {name: read for name, read in reads.items() if read is not None}


def _read(row: Sequence[Cell]) -> Read | None:
    answered = [cell for cell in row if cell.plan]
    if not answered:
        return None
    pages = [buffers(cell) for cell in answered]
    times = [max(cell.timing.median_ms, _LEAST_MS) for cell in answered if cell.timing]
    timed = len(times) == len(answered)
    stopped = any(cell.stopped for cell in row)
    cost = max(statement_cost(cell.plan) for cell in answered if cell.plan)
    mean_ms, worst_ms = (fmean(times), max(times)) if timed else (None, None)
    return Read(row[0].case.query.family, fmean(pages), max(pages), mean_ms, worst_ms, stopped, cost)


def _mean(shares: Mapping[str, float], figures: Mapping[str, float]) -> float:
    """Average by shares; where those are all of something else, every figure alike."""
    weights = {name: shares.get(name, 0.0) for name in figures}
    if not any(weights.values()):
        weights = dict.fromkeys(figures, 1.0)
    return sum(weights[name] * figures[name] for name in figures) / (sum(weights.values()) or 1.0)


def write_pages(write: WriteCost, wal_per_page: float) -> float:
    return (write.buffers or 0.0) + write.wal_bytes / wal_per_page


def price(standing: Standing, mix: Mix, wal_per_page: float = WAL_PER_PAGE) -> Price:
    """Price a set in pages of 8 kB."""
    reads = {name: read.cost for name, read in standing.reads_by_query.items()}
    writes = {write.name: write_pages(write, wal_per_page) for write in standing.result.writes}
    return Price(_mean(mix.reads, reads), _mean(mix.writes, writes))


def price_ms(standing: Standing, mix: Mix) -> Price:
    """Price a set in milliseconds: server time of reads, round trips of writes on one connection; what was not timed
    counts for nothing."""
    reads = {name: read.worst_ms for name, read in standing.reads_by_query.items() if read.worst_ms is not None}
    writes = {write.name: 1000 / write.per_s for write in standing.result.writes if write.per_s}
    return Price(_mean(mix.reads, reads), _mean(mix.writes, writes))


def point(leaner: Price, reader: Price) -> float | None:
    """Return reads for a write at which both cost the same; None where one costs less at any mix."""
    dearer, cheaper = reader.write - leaner.write, leaner.read - reader.read
    return dearer / cheaper if dearer > 0 and cheaper > 0 else None


def break_even(first: Standing, other: Standing, mix: Mix, wal_per_page: float = WAL_PER_PAGE) -> BreakEven:
    """Return which of the two writes leaner, which reads for less, and where they are even."""
    leaner, reader = sorted((first, other), key=lambda each: price(each, mix, wal_per_page).write)
    lean, read = price(leaner, mix, wal_per_page), price(reader, mix, wal_per_page)
    even = point(lean, read)
    always = None
    if even is None:
        always = leaner.name if lean.read <= read.read else reader.name
    timed = point(price_ms(leaner, mix), price_ms(reader, mix))
    return BreakEven(leaner.name, reader.name, even, timed, always, bool(leaner.stopped))


def dominated_by(standing: Standing, others: Iterable[Standing], cost: Mapping[str, float]) -> str | None:
    """The set that is no worse in any column that repeats (reads, WAL, size, HOT, cost at the mix), better in one."""
    return next((other.name for other in others if other is not standing and _dominates(other, standing, cost)), None)


def _dominates(better: Standing, other: Standing, cost: Mapping[str, float]) -> bool:
    if better.stopped or better.wrong or not other.reads_by_query.keys() <= better.reads_by_query.keys():
        return False
    pairs = zip(_columns(better, cost), _columns(other, cost), strict=True)
    signs = [_clearly(mine, theirs) for mine, theirs in pairs]
    return max(signs) <= 0 and min(signs) < 0


def _columns(standing: Standing, cost: Mapping[str, float]) -> tuple[float, ...]:
    """Return what is better when it is less."""
    result = standing.result
    hot = 1.0 - (result.hot_share if result.hot_share is not None else 1.0)
    wal = (result.wal_bytes("insert") or 0.0, result.wal_bytes("update") or 0.0)
    mean = standing.typical(lambda read: read.mean)
    return mean, standing.reads, *wal, float(result.bytes), hot, cost[standing.name]


def _clearly(mine: float, other: float) -> int:
    """-1, 0, 1 for less, the same within what repeats, more."""
    if abs(mine - other) <= _SAME * max(mine, other):
        return 0
    return -1 if mine < other else 1


# Costs this close are the same: then size decides.
NEAR = 1.05
RULE = "least cost of a request of the mix among the sets that answer all of it; within 5 % the smaller indexes"


@dataclass(frozen=True)
class Contest:
    """The sets under one mix: what a request costs under each, in pages, and which of them is chosen."""

    matrix: Matrix
    standings: Sequence[Standing]
    mix: Mix
    wal_per_page: float = WAL_PER_PAGE

    def price(self, standing: Standing) -> Price:
        return price(standing, self.mix, self.wal_per_page)

    def cost(self, standing: Standing) -> float:
        return self.price(standing).at(self.mix.write_share)

    def write_cost(self, write: WriteCost) -> float:
        return write_pages(write, self.wal_per_page)

    def cell_cost(self, cell: Cell) -> float:
        """Return the cost of an answered cell."""
        return statement_cost(cell.plan) if cell.plan else 1.0

    @property
    def costs(self) -> dict[str, float]:
        return {standing.name: self.cost(standing) for standing in self.standings}

    @cached_property
    def writes(self) -> bool:
        """Return whether any write was measured."""
        return any(standing.result.writes for standing in self.standings)

    def lack(self, standing: Standing) -> str | None:
        """Return why a set cannot be chosen; None for one that answers, in time and with the right rows, whatever of
        the mix any set answers."""
        if standing.wrong:
            return "gives other rows"
        answered = {name for other in self.standings for name in other.reads_by_query}
        asked = [standing.reads_by_query.get(name) for name in self.mix.reads if name in answered]
        whole = all(read is not None and not read.stopped for read in asked)
        return None if whole else "does not answer all of the mix in time"

    @cached_property
    def ranked(self) -> list[Standing]:
        """Return what the rule chooses, then what it would choose without that, and so on. Sets that lack something
        are not there, unless all do."""
        left = [standing for standing in self.standings if self.lack(standing) is None] or list(self.standings)
        ranked = []
        while left:
            limit = NEAR * min(self.cost(standing) for standing in left)
            near = [standing for standing in left if self.cost(standing) <= limit]
            ranked.append(min(near, key=lambda standing: (standing.result.bytes, self.cost(standing))))
            left.remove(ranked[-1])
        return ranked

    @property
    def chosen(self) -> Standing:
        return self.ranked[0]

    @property
    def others(self) -> list[Standing]:
        return [standing for standing in self.standings if standing is not self.chosen]


def contest(matrix: Matrix, weights: Weights | None = None, wal_per_page: float = WAL_PER_PAGE) -> Contest:
    """Return the matrix's sets under the mix of `weights` (None: DEFAULT), spread over what was measured."""
    queries = [(query.name, query.family) for query in matrix.workload.queries]
    writes = [(write.name, write.family) for write in matrix.sets[0].writes] if matrix.sets else []
    mix = mixed(DEFAULT if weights is None else weights, queries, writes)
    return Contest(matrix, standings(matrix), mix, wal_per_page)
