"""Reads per query and set: a heat map of figures, and the same figures as marks on a logarithmic line."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.scale import Scale, Tick, log_scale
from inboxbench.report.index_figures import families, worst_cell
from inboxbench.report.model import Cell, Matrix, Query

LEVELS = 6  # decades of pages told apart by colour: under 10, under 100 … 100,000 and more
_NEAR = 1.6  # percent of the width within which two marks would cover each other
_LABEL, _LANE, _GAP, _AXIS = 20, 13, 9, 36


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One query's worst class under one set; `level` None means not measured."""

    reads: str
    time: str
    parameter_class: str
    hint: str
    level: int | None
    best: bool = False
    wrong: bool = False
    failed: bool = False


@dataclass(frozen=True, slots=True)
class HeatRow:
    query: Query
    cells: Sequence[HeatCell]


@dataclass(frozen=True, slots=True)
class Dot:
    at: float
    y: int
    mark: int
    hint: str


@dataclass(frozen=True, slots=True)
class DotRow:
    query: Query
    label_y: int
    line_y: int
    first: float
    last: float
    dots: Sequence[Dot]


@dataclass(frozen=True, slots=True)
class DotPlot:
    rows: Sequence[DotRow]
    ticks: Sequence[Tick]
    height: int
    axis_y: int


def heat_map(matrix: Matrix) -> dict[str, list[HeatRow]]:
    """By family, a row per query with a cell per set, in the declared order."""
    return {family: [_heat_row(matrix, query) for query in queries] for family, queries in families(matrix).items()}


def dot_plot(matrix: Matrix) -> DotPlot:
    """Return a line per query with a mark per set, at the reads of its worst class."""
    scale = log_scale(cell.buffers for row in _worst_rows(matrix) for cell in row if cell)
    rows: list[DotRow] = []
    top = 0
    for query, cells in zip(matrix.queries, _worst_rows(matrix), strict=True):
        row, used = _dot_row(query, cells, scale, top)
        rows.append(row)
        top += used
    return DotPlot(rows, scale.ticks(units.compact), top + _AXIS, top)


def level(reads: float) -> int:
    """Return the colour of this many pages: the number of its decade, capped."""
    return min(int(math.log10(reads)) if reads >= 1 else 0, LEVELS - 1)


def _worst_rows(matrix: Matrix) -> list[list[Cell | None]]:
    return [[worst_cell(matrix.cells, q.name, s.name) for s in matrix.sets] for q in matrix.queries]


def _heat_row(matrix: Matrix, query: Query) -> HeatRow:
    worst = [worst_cell(matrix.cells, query.name, s.name) for s in matrix.sets]
    least = min((c.buffers for c in worst if c and units.known(c.buffers)), default=None)
    mine = [c for c in matrix.cells if c.query == query.name]
    wrong = {c.index_set for c in mine if c.same_rows is False}
    failed = {c.index_set for c in mine if c.failure}
    cells = zip(matrix.sets, worst, strict=True)
    return HeatRow(query, [_heat_cell(matrix, c, least, s.name in wrong, s.name in failed) for s, c in cells])


def _heat_cell(matrix: Matrix, cell: Cell | None, least: float | None, wrong: bool, failed: bool) -> HeatCell:
    if cell is None or cell.buffers is None:
        return HeatCell(units.DASH, "" if failed else "not measured", "", "", None, failed=failed)
    titles = {c.name: c.title for c in matrix.classes}
    return HeatCell(
        reads=units.number(cell.buffers),
        time=units.millis(cell.median_ms),
        parameter_class=titles.get(cell.parameter_class) or cell.parameter_class,
        hint=_hint(cell),
        level=level(cell.buffers),
        best=cell.buffers == least and not failed,
        wrong=wrong,
        failed=failed,
    )


def _hint(cell: Cell) -> str:
    figures = f"{units.pages(cell.buffers)}, median {units.millis(cell.median_ms)}"
    plan = f"\n{cell.plan}" if cell.plan else ""
    return f"{cell.query} under {cell.index_set}, {cell.parameter_class}: {figures}{plan}"


def _dot_row(query: Query, cells: Sequence[Cell | None], scale: Scale, top: int) -> tuple[DotRow, int]:
    placed = [(scale.at(c.buffers), mark, c) for mark, c in enumerate(cells) if c and units.known(c.buffers)]
    lanes = _lanes([at for at, _, _ in placed])
    depth = max(lanes, default=0) + 1
    first_y = top + _LABEL + _LANE // 2
    dots = [Dot(at, first_y + lane * _LANE, mark, _hint(c)) for (at, mark, c), lane in zip(placed, lanes, strict=True)]
    ats = [dot.at for dot in dots] or [0.0]
    row = DotRow(query, top + _LABEL - 7, first_y, min(ats), max(ats), dots)
    return row, _LABEL + depth * _LANE + _GAP


def _lanes(positions: Sequence[float]) -> list[int]:
    """For each position the first lane in which nothing lies near it."""
    taken: list[tuple[float, int]] = []
    lanes = []
    for at in positions:
        busy = {lane for other, lane in taken if abs(other - at) < _NEAR}
        lane = next(number for number in range(len(taken) + 1) if number not in busy)
        taken.append((at, lane))
        lanes.append(lane)
    return lanes
