"""Horizontal bars: index sizes stacked, revisions by duration, traffic, races and rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.scale import Scale, Tick, linear_scale
from inboxbench.report.model import Index, IndexSet, Matrix, Seed

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
    """Return the bars laid out from top to bottom."""
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


_TONES = 7  # colours for the largest indexes; all others share the next one
_REST = "keys and unique rules"


@dataclass(frozen=True, slots=True)
class SizeCharts:
    """Two stacked charts over the same sets; an index keeps its colour in both and in every set."""

    size: BarChart
    build: BarChart


def size_charts(matrix: Matrix) -> SizeCharts:
    """Widths are sums over the indexes, in bytes and in seconds of building.

    A set's size counts keys and unique indexes too, which every set has and none lists: they are the last piece.
    """
    tones = _tones(matrix.sets)
    return SizeCharts(
        size=_by_set(matrix.sets, [s.bytes for s in matrix.sets], lambda index: index.bytes, units.size, tones),
        build=_by_set(matrix.sets, [None for _ in matrix.sets], lambda index: index.build_s, units.seconds, tones),
    )


def _by_set(
    sets: Sequence[IndexSet],
    totals: Sequence[float | None],
    value: Callable[[Index], float | None],
    say: Callable[[float | None], str],
    tones: Mapping[str, str],
) -> BarChart:
    """Return a bar a set, a piece an index. totals: of the sets, None where it is the sum of what is listed."""
    sums = [sum(value(index) or 0 for index in index_set.indexes) for index_set in sets]
    whole = [listed if total is None else total for listed, total in zip(sums, totals, strict=True)]
    scale = linear_scale([*sums, *whole], octets=say is units.size)
    bars = []
    for index_set, listed, total in zip(sets, sums, whole, strict=True):
        parts = _parts(index_set, value, say, tones)
        if (rest := total - listed) > 0:
            parts.append((rest, "p-rest", _REST, f"{_REST}: {say(rest)}"))
        bars.append(Bar(index_set.name, say(total), stacked(scale, parts)))
    return chart(bars, scale, say)


def _parts(
    index_set: IndexSet,
    value: Callable[[Index], float | None],
    label: Callable[[float | None], str],
    tones: Mapping[str, str],
) -> list[tuple[float, str, str, str]]:
    """Largest first: (value, colour, name, hint)."""
    ordered = sorted(index_set.indexes, key=lambda index: value(index) or 0.0, reverse=True)
    return [
        (value(i) or 0.0, tones[i.name], i.name.removesuffix("_idx"), f"{i.name}: {label(value(i))}") for i in ordered
    ]


def _tones(sets: Sequence[IndexSet]) -> dict[str, str]:
    """Return a colour for each of the largest indexes of all sets, one for the rest."""
    largest: dict[str, int] = {}
    for index in (index for index_set in sets for index in index_set.indexes):
        largest[index.name] = max(largest.get(index.name, 0), index.bytes or 0)
    ordered = sorted(largest, key=lambda name: largest[name], reverse=True)
    return {name: f"p{min(rank, _TONES)}" for rank, name in enumerate(ordered)}
