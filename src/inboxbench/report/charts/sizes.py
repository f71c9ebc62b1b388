"""What each set's indexes weigh and how long they take to build, index by index."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inboxbench import units
from inboxbench.report.charts.bars import Bar, BarChart, chart, stacked
from inboxbench.report.charts.scale import linear_scale
from inboxbench.report.model import Index, IndexSet, Matrix

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
    return SizeCharts(size=_sizes(matrix.sets, tones), build=_builds(matrix.sets, tones))


def _sizes(sets: Sequence[IndexSet], tones: Mapping[str, str]) -> BarChart:
    sums = [sum(index.bytes or 0 for index in s.indexes) for s in sets]
    totals = [listed if s.bytes is None else s.bytes for s, listed in zip(sets, sums, strict=True)]
    scale = linear_scale([*sums, *totals], octets=True)
    bars = []
    for index_set, listed, total in zip(sets, sums, totals, strict=True):
        parts = _parts(index_set, lambda index: index.bytes, units.size, tones)
        rest = max(total - listed, 0)
        if rest:
            parts.append((rest, "p-rest", _REST, f"{_REST}: {units.size(rest)}"))
        bars.append(Bar(index_set.name, units.size(total), stacked(scale, parts)))
    return chart(bars, scale, units.size)


def _builds(sets: Sequence[IndexSet], tones: Mapping[str, str]) -> BarChart:
    sums = [sum(index.build_s or 0.0 for index in s.indexes) for s in sets]
    scale = linear_scale(sums)
    bars = [
        Bar(s.name, units.seconds(total), stacked(scale, _parts(s, lambda i: i.build_s, units.seconds, tones)))
        for s, total in zip(sets, sums, strict=True)
    ]
    return chart(bars, scale, units.seconds)


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
    """A colour for each of the largest indexes of all sets, one for the rest."""
    largest: dict[str, int] = {}
    for index in (index for index_set in sets for index in index_set.indexes):
        largest[index.name] = max(largest.get(index.name, 0), index.bytes or 0)
    ordered = sorted(largest, key=lambda name: largest[name], reverse=True)
    return {name: f"p{min(rank, _TONES)}" for rank, name in enumerate(ordered)}
