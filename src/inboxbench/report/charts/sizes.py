"""What each set's indexes weigh and how long they take to build, index by index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inboxbench.report import units
from inboxbench.report.charts.bars import Bar, BarChart, chart, stacked
from inboxbench.report.charts.scale import linear_scale
from inboxbench.report.model import Index, IndexSet, Matrix

_TONES = 8


@dataclass(frozen=True, slots=True)
class SizeCharts:
    """Two stacked charts over the same sets; an index keeps its colour in both and in every set."""

    size: BarChart
    build: BarChart


def size_charts(matrix: Matrix) -> SizeCharts:
    """Widths are sums over the indexes, in bytes and in seconds of building."""
    return SizeCharts(
        size=_stack(matrix.sets, lambda index: index.bytes, lambda s: s.bytes, units.size),
        build=_stack(matrix.sets, lambda index: index.build_s, lambda s: s.build_s, units.seconds),
    )


def _stack(
    sets: Sequence[IndexSet],
    value: Callable[[Index], float | None],
    total: Callable[[IndexSet], float | None],
    label: Callable[[float | None], str],
) -> BarChart:
    tones = _tones(sets)
    sums = {s.name: sum(value(index) or 0.0 for index in s.indexes) for s in sets}
    scale = linear_scale([*sums.values(), *(total(s) for s in sets)], octets=label is units.size)
    bars = []
    for index_set in sets:
        parts = sorted(index_set.indexes, key=lambda index: value(index) or 0.0, reverse=True)
        pieces = stacked(
            scale,
            ((value(i) or 0.0, tones[i.name], _short(i), f"{i.name}: {label(value(i))}") for i in parts),
        )
        shown = total(index_set)
        bars.append(Bar(index_set.name, label(sums[index_set.name] if shown is None else shown), pieces))
    return chart(bars, scale, label)


def _short(index: Index) -> str:
    return index.name.removesuffix("_idx")


def _tones(sets: Sequence[IndexSet]) -> dict[str, str]:
    """A colour for each distinct index, in the order of first appearance."""
    names = dict.fromkeys(index.name for index_set in sets for index in index_set.indexes)
    return {name: f"p{number % _TONES}" for number, name in enumerate(names)}
