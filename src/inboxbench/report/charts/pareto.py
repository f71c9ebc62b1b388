"""Reads against write cost: one bubble per index set, its area the size of the indexes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from inboxbench import units
from inboxbench.report.charts.scale import Frame, Segment, Tick, linear_scale, log_scale
from inboxbench.report.index_figures import Comparison, SetResult

_FRAME = Frame(height=380, top=18, bottom=46)
_LEAST_RADIUS, _MOST_RADIUS = 5.0, 20.0
_LINE = 17  # pixels between two labels
_MIDDLE = 70.0  # a bubble right of this has its label on its left


@dataclass(frozen=True, slots=True)
class Bubble:
    name: str
    mark: int
    x: float
    y: float
    radius: float
    label_y: float
    left: bool
    dominated_by: str | None
    chosen: bool
    hint: str


@dataclass(frozen=True, slots=True)
class Scatter:
    bubbles: Sequence[Bubble]
    frontier: Sequence[Segment]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    height: int
    axis_y: int


def scatter(comparison: Comparison) -> Scatter | None:
    """Return None unless two sets at least have both figures: one bubble compares nothing."""
    shown = [(mark, r) for mark, r in enumerate(comparison.results) if _drawable(r)]
    if len(shown) < 2:
        return None
    across = linear_scale(r.index_set.insert_wal_bytes for _, r in shown)
    down = log_scale(r.typical_reads for _, r in shown)
    largest = max(r.index_set.bytes or 0 for _, r in shown)
    bubbles = [
        _bubble(mark, r, across.at(r.index_set.insert_wal_bytes), _FRAME.row(down.at(r.typical_reads)), largest)
        for mark, r in shown
    ]
    chosen = comparison.chosen.name if comparison.chosen else None
    spread = _apart([replace(bubble, chosen=bubble.name == chosen) for bubble in bubbles])
    x_ticks, y_ticks = across.ticks(units.compact), _FRAME.ticks(down, units.compact)
    return Scatter(spread, _frontier(spread), x_ticks, y_ticks, _FRAME.height, _FRAME.axis_y)


def _drawable(result: SetResult) -> bool:
    return units.known(result.typical_reads) and units.known(result.index_set.insert_wal_bytes)


def _bubble(mark: int, result: SetResult, x: float, y: float, largest: float) -> Bubble:
    share = math.sqrt((result.index_set.bytes or 0) / largest) if largest else 0.0
    radius = round(_LEAST_RADIUS + share * (_MOST_RADIUS - _LEAST_RADIUS), 1)
    hint = (
        f"{result.name}: {units.pages(result.typical_reads)}, {units.wal(result.index_set.insert_wal_bytes)} of WAL "
        f"per insert, {units.size(result.index_set.bytes)}"
    )
    return Bubble(result.name, mark, x, y, radius, y, x > _MIDDLE, result.dominated_by, False, hint)


def _apart(bubbles: Sequence[Bubble]) -> list[Bubble]:
    """Move labels down, then up from the axis, until no two lie on the same line."""
    ordered = sorted(bubbles, key=lambda b: b.y)
    lines: list[float] = []
    for bubble in ordered:
        lines.append(max(bubble.y, lines[-1] + _LINE) if lines else bubble.y)
    limit = float(_FRAME.axis_y - 4)
    for position in range(len(lines) - 1, -1, -1):
        lines[position] = min(lines[position], limit)
        limit = lines[position] - _LINE
    return [replace(bubble, label_y=round(line, 1)) for bubble, line in zip(ordered, lines, strict=True)]


def _frontier(bubbles: Sequence[Bubble]) -> list[Segment]:
    """Steps through the sets that no other beats in both figures drawn."""
    best: list[Bubble] = []
    for bubble in sorted(bubbles, key=lambda b: (b.x, -b.y)):
        if not best or bubble.y > best[-1].y:
            best.append(bubble)
    steps: list[Segment] = []
    for left, right in pairwise(best):
        steps.append(Segment(left.x, left.y, right.x, left.y))
        steps.append(Segment(right.x, left.y, right.x, right.y))
    return steps
