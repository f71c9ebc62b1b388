"""The same history on copies of several sizes: how each statement's cost grows with the rows it works on.

A cost is fitted as start + slope · rows, by least squares; k, the exponent of a power law through the same points, is
shown with it. A counter whose slope is not distinguished from nothing is constant, and so are the times of a statement
whose counters are: what reads no more rows and writes no more WAL takes no longer, whatever a busy machine made of
three runs. What is read off a fit beyond the largest size that was run is extrapolated, all else measured.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression, pvariance, stdev
from typing import Literal

from inboxbench.bench.growth.curve import FEWEST, fit
from inboxbench.dryrun.model import DryRun, Statement
from inboxbench.dryrun.more import Curve, Grown, Scales
from inboxbench.sqltree.tokens import folded

MEASURES = ("duration_ms", "wal_bytes", "rows_read", "lock_hold_ms", "stall_ms")
_COUNTED = ("wal_bytes", "rows_read")
_CERTAIN = 3.0  # standard errors that a slope must be away from nothing
_GROWTH = 0.1  # and of the cost, between the smallest and the largest size
_PAGES = 4 * 8192  # of WAL: whether a page goes there whole is a matter of when a checkpoint was
_SAME = 1.05
_Key = tuple[str, str | None]  # a revision, and the text of one of its statements or None for all of it


@dataclass(frozen=True, slots=True)
class Size:
    """One run.

    share: of the source's rows; rows: by table, before the history, and after it for tables that it made.
    """

    share: float
    run: DryRun
    rows: Mapping[str, int]


def fit_curve(measure: str, points: Sequence[tuple[int, float]], rows: int, *, grows: bool = True) -> Curve:
    """Through (rows, cost), at least three, smallest first. grows: of a time, whether the work does.

    >>> curve = fit_curve("rows_read", [(100, 110), (200, 210), (400, 410)], 1000)
    >>> curve.start, curve.slope, curve.value, curve.origin
    (10.0, 1.0, 1010.0, 'extrapolated')
    """
    xs, ys = [n for n, _ in points], [cost for _, cost in points]
    start, slope, error = _line(xs, ys)
    steady = _is_constant(measure, xs, ys, slope, error) if measure in _COUNTED else not grows or slope <= 0
    if steady:
        start, slope, error = fmean(ys), 0.0, stdev(ys)
    k = 0.0 if slope == 0 or len(set(xs)) < FEWEST or min(xs) < 1 else fit([(x, max(round(y), 1)) for x, y in points]).k
    if max(xs) <= rows * _SAME and rows <= max(xs) * _SAME:
        return Curve(measure, tuple(points), start, slope, error, k, ys[-1], "measured")
    value, beyond = max(start + slope * rows, 0.0), 1.0 if steady else _leverage(xs, rows)
    return Curve(measure, tuple(points), start, slope, error * beyond, k, value, "extrapolated")


def _leverage(xs: Sequence[int], at: float) -> float:
    """Standard error of a prediction `at`, in those of the fit (Draper and Smith, Applied Regression Analysis, 1.4)."""
    return math.sqrt(1 + 1 / len(xs) + (at - fmean(xs)) ** 2 / _breadth(xs))


def _breadth(xs: Sequence[int]) -> float:
    """Return the sum of squares about the mean; 1 where all are the same."""
    return pvariance(xs) * len(xs) or 1.0


def _line(xs: Sequence[int], ys: Sequence[float]) -> tuple[float, float, float]:
    """Return start, slope and standard error of the regression; flat where all are of the same size."""
    slope, start = linear_regression(xs, ys) if len(set(xs)) > 1 else (0.0, fmean(ys))
    rest = sum((y - start - slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    return start, slope, math.sqrt(rest / max(len(xs) - 2, 1))


def _is_constant(measure: str, xs: Sequence[int], ys: Sequence[float], slope: float, error: float) -> bool:
    """Nothing costs less where there are more rows: what seems to is noise."""
    growth = slope * (max(xs) - min(xs))
    of_slope = error / math.sqrt(_breadth(xs))
    least = 0.0 if measure == "rows_read" else _PAGES
    certain = slope > _CERTAIN * of_slope
    return growth <= max(least, _GROWTH * max(ys)) or not certain


def grow(sizes: Sequence[Size], rows: Mapping[str, int], rows_from: Literal["--rows", "statistics"]) -> Scales:
    """From runs of at least three sizes, smallest first, all through to the end. rows: of production, by table; of a
    table that the history makes they are read off those of the tables that it was filled from.
    """
    every = {**_made(sizes, rows), **rows}
    grouped = [_grouped(size.run) for size in sizes]
    keys = dict.fromkeys(key for groups in grouped for key in groups)
    grown = sorted((_grown(sizes, every, key, [groups.get(key, []) for groups in grouped]) for key in keys), key=_worst)
    return Scales(
        "affine",
        FEWEST,
        tuple(size.share for size in sizes),
        every,
        rows_from,
        statements=tuple(part for part in grown if part.sql is not None),
        revisions=tuple(part for part in grown if part.sql is None),
    )


def _made(sizes: Sequence[Size], rows: Mapping[str, int]) -> dict[str, int]:
    """Rows in production of the tables that `rows` does not know."""
    rows_made = {}
    for table in sizes[-1].rows.keys() - rows.keys():
        sources = _filled_from(sizes[-1].run, table) & rows.keys() or set(rows)
        start, slope, _ = _line(
            [_rows(size.rows, sources) for size in sizes], [float(s.rows.get(table, 0)) for s in sizes]
        )
        rows_made[table] = max(round(start + slope * _rows(rows, sources)), 0)
    return rows_made


def _filled_from(run: DryRun, table: str) -> set[str]:
    """Return what was read through by the statements that wrote to it; else what they locked to read."""
    written = (table, "ROW EXCLUSIVE")
    writing = [item for item in run.statements if written in {(lock.relation, lock.mode) for lock in item.locks}]
    scanned = {scan.relation for statement in writing for scan in statement.scans}
    read = {lock.relation for statement in writing for lock in statement.locks if lock.mode == "ACCESS SHARE"}
    return (scanned or read) - {table}


def _rows(rows: Mapping[str, int], tables: Iterable[str]) -> int:
    return sum(rows.get(table, 0) for table in tables)


def _worst(part: Grown) -> tuple[float, float]:
    """Order by what others waited for, then by what it took."""
    waited = max(part.curve("lock_hold_ms").value, part.curve("stall_ms").value)
    return -waited, -part.curve("duration_ms").value


def _grouped(run: DryRun) -> dict[_Key, list[Statement]]:
    """By revision, and by revision and text: batches of a backfill differ in their values only."""
    groups: dict[_Key, list[Statement]] = defaultdict(list)
    for statement in run.statements:
        if statement.revision:
            groups[statement.revision, folded(statement.sql)].append(statement)
            groups[statement.revision, None].append(statement)
    return groups


def _grown(sizes: Sequence[Size], rows: Mapping[str, int], key: _Key, mine: Sequence[Sequence[Statement]]) -> Grown:
    """mine: the statements of `key` at each size."""
    tables = _worked_on([statement for at_one_size in mine for statement in at_one_size], sizes[-1].rows)
    at = [_rows(size.rows, tables or size.rows) for size in sizes]
    wanted = _rows(rows, tables or rows)
    points = {
        name: [(n, cost(size.run, statements)) for n, size, statements in zip(at, sizes, mine, strict=True)]
        for name, cost in _COSTS.items()
    }
    grows = not all(fit_curve(name, points[name], wanted).constant for name in _COUNTED)
    curves = tuple(fit_curve(name, points[name], wanted, grows=grows) for name in MEASURES)
    return Grown(*key, tables, wanted, curves)


def _worked_on(statements: Iterable[Statement], known: Mapping[str, int]) -> tuple[str, ...]:
    """Return what was read through or rewritten; else what was locked."""
    every = list(statements)
    through = {scan.relation for statement in every for scan in statement.scans}
    through |= {rewrite.relation for statement in every for rewrite in statement.rewrites}
    locked = {lock.relation for statement in every for lock in statement.locks if lock.kind == "table"}
    return tuple(sorted(through & known.keys() or locked & known.keys()))


def _held(_run: DryRun, mine: Sequence[Statement]) -> float:
    return max((lock.held_ms for statement in mine for lock in statement.locks if lock.keeps_out), default=0.0)


def _stall(run: DryRun, mine: Sequence[Statement]) -> float:
    numbers = {statement.number for statement in mine}
    stalls = (stall for summary in run.traffic for stall in summary.stalls if stall.held)
    return max((stall.duration_ms for stall in stalls if stall.statement in numbers), default=0.0)


_COSTS: dict[str, Callable[[DryRun, Sequence[Statement]], float]] = {
    "duration_ms": lambda _run, mine: sum(statement.duration_ms for statement in mine),
    "wal_bytes": lambda _run, mine: float(sum(statement.wal_bytes for statement in mine)),
    "rows_read": lambda _run, mine: float(sum(scan.rows for statement in mine for scan in statement.scans)),
    "lock_hold_ms": _held,
    "stall_ms": _stall,
}
