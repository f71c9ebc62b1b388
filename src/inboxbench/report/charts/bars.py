"""Horizontal bars: index sizes stacked, revisions by duration, traffic, races and rows."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.scale import Scale, Tick, linear_scale
from inboxbench.report.model import Seed

_LABEL, _BAR, _GAP, _AXIS = 20, 18, 12, 36
_THIN = 12


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar; `tone` names a colour of the style sheet."""

    start: float
    width: float
    tone: str
    label: str
    hint: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A label line with its figure, and under it the pieces of the bar."""

    label: str
    figure: str
    pieces: Sequence[Piece]
    note: str = ""
    tone: str = ""
    label_y: int = 0
    bar_y: int = 0


@dataclass(frozen=True, slots=True)
class BarChart:
    bars: Sequence[Bar]
    ticks: Sequence[Tick]
    height: int
    axis_y: int
    bar_height: int


def chart(bars: Iterable[Bar], scale: Scale, tick_label: Callable[[float], str], bar: int = _BAR) -> BarChart:
    """The bars laid out from top to bottom."""
    step = _LABEL + bar + _GAP
    placed = [
        Bar(b.label, b.figure, b.pieces, b.note, b.tone, number * step + _LABEL - 6, number * step + _LABEL)
        for number, b in enumerate(bars)
    ]
    axis_y = len(placed) * step
    return BarChart(placed, scale.ticks(tick_label), axis_y + _AXIS, axis_y, bar)


def stacked(scale: Scale, parts: Iterable[tuple[float, str, str, str]]) -> tuple[Piece, ...]:
    """Pieces end to end from (value, tone, label, hint) on a scale that starts at zero."""
    pieces, total = [], 0.0
    for value, tone, label, hint in parts:
        start = scale.at(total)
        total += value
        pieces.append(Piece(start, round(scale.at(total) - start, 3), tone, label, hint))
    return tuple(pieces)


def single(scale: Scale, value: float | None, tone: str, hint: str) -> tuple[Piece, ...]:
    """One piece from the left edge; nothing where the value is unknown."""
    return (Piece(0.0, scale.at(value), tone, "", hint),) if value is not None else ()


def rows_chart(seed: Seed) -> BarChart | None:
    """Rows per table, largest first; None for a seed that made no rows."""
    if not any(seed.rows.values()):
        return None
    scale = linear_scale(seed.rows.values())
    ordered = sorted(seed.rows.items(), key=lambda item: item[1], reverse=True)
    bars = (
        Bar(table, f"{rows:,}", single(scale, rows, "d-rows", f"{table}: {rows:,} rows")) for table, rows in ordered
    )
    return chart(bars, scale, units.compact, _THIN)
