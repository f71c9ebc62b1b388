"""Which set to choose, by how much, at what cost: in words and ratios, from the matrix alone.

The rule. A set's *reads* are the geometric mean, over the queries, of the buffers its worst parameter class reads:
a mean over classes would let many small accounts hide the large one that suffers. Of the sets whose reads are
within twice the best, the one that writes least WAL for a message insert is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import geometric_mean
from typing import Any

from inboxbench.measure.result import Cell, Matrix, SetResult

# Reads this close to the best are as good as the best: then writes decide.
NEAR = 2.0
# A cell that reads this many times more than under another set is told, however good the rest is.
WORSE = 1.5

_FAMILIES = {"list": "Inbox list", "unread": "Unread counters", "search": "Search", "thread": "Opening a thread"}


@dataclass(frozen=True, slots=True)
class Standing:
    """A set in figures. reads: see the rule above; by_family: the same within a family.

    stopped: cells that ran into statement_timeout; without their figures, reads are a lower bound.
    """

    result: SetResult
    reads: float
    by_family: dict[str, float]
    stopped: int = 0

    @property
    def name(self) -> str:
        return self.result.index_set.name

    @property
    def title(self) -> str:
        return self.result.index_set.title

    @property
    def insert_wal(self) -> float:
        return self.result.wal_bytes("insert") or 0.0


def verdict(matrix: Matrix) -> dict[str, Any]:
    """The `verdict` part of run.json: recommended, headline, reasons, ratios (other sets relative to it)."""
    standings = _standings(matrix)
    if not standings:
        return {"recommended": None, "headline": "No set answered any query.", "reasons": [], "ratios": {}}
    best = choose(standings)
    others = [one for one in standings if one is not best]
    return {
        "recommended": best.name,
        "headline": _headline(best, others),
        "reasons": [
            *_family_reasons(best, others),
            *_largest_gain(matrix, best, others),
            *_write_reasons(best, others),
            *_weakest(matrix, best, others),
        ],
        "ratios": {one.name: _ratios(matrix, one, best) for one in others},
        "rule": "least insert WAL among the sets whose worst-class reads are within twice the best",
    }


def choose(standings: Sequence[Standing]) -> Standing:
    """The set that the rule picks, among those that answered everything when there are any."""
    able = [one for one in standings if not one.stopped] or list(standings)
    limit = NEAR * min(one.reads for one in able)
    return min((one for one in able if one.reads <= limit), key=lambda one: (one.insert_wal, one.reads))


def _standings(matrix: Matrix) -> list[Standing]:
    """Sets that answered at all; a stopped cell has no figure that could be averaged."""
    found = []
    for result in matrix.sets:
        cells = [cell for cell in matrix.cells if cell.index_set == result.index_set.name]
        answered = [cell for cell in cells if cell.plan]
        if answered:
            stopped = sum(cell.stopped for cell in cells)
            found.append(Standing(result, _reads(answered), _by_family(answered), stopped))
    return found


def _buffers(cell: Cell) -> int:
    """At least one, so that ratios exist."""
    return max(cell.plan.buffers, 1) if cell.plan else 1


def _reads(cells: Iterable[Cell]) -> float:
    worst: dict[str, int] = {}
    for cell in cells:
        name = cell.case.query.name
        worst[name] = max(worst.get(name, 1), _buffers(cell))
    return geometric_mean(worst.values())


def _by_family(cells: Sequence[Cell]) -> dict[str, float]:
    families = dict.fromkeys(cell.case.query.family for cell in cells)
    return {family: _reads(cell for cell in cells if cell.case.query.family == family) for family in families}


def times(ratio: float) -> str:
    """A ratio as people say it.

    >>> times(12.34), times(1.5), times(0.37), times(6813)
    ('12×', '1.5×', '0.37×', '6,813×')
    """
    if ratio >= 10:
        return f"{ratio:,.0f}×"
    return f"{ratio:.1f}×" if ratio >= 1 else f"{ratio:.2f}×"


def amount(octets: float) -> str:
    """Bytes as people say them.

    >>> amount(735), amount(4639), amount(91_299_840)
    ('735 B', '4.5 kB', '87.1 MB')
    """
    for unit, size in (("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if octets >= size:
            return f"{octets / size:.1f} {unit}"
    return f"{octets:.0f} B"


def _headline(best: Standing, others: Sequence[Standing]) -> str:
    if not others:
        return f"Only {best.title} was measured; there is nothing to compare it with."
    reads = ", ".join(_compared(one, best) for one in others)
    return f"Choose {best.title}: in its worst class a query reads {best.reads:.0f} buffers on average; {reads}."


def _compared(one: Standing, best: Standing) -> str:
    bound = "at least " if one.stopped else ""
    return f"{bound}{times(one.reads / best.reads)} as many under {one.title}"


def _family_reasons(best: Standing, others: Sequence[Standing]) -> list[str]:
    reasons = []
    for family, own in best.by_family.items():
        told = ", ".join(
            f"{one.by_family[family]:,.0f} under {one.title} ({times(one.by_family[family] / own)})"
            for one in others
            if family in one.by_family
        )
        if told:
            reasons.append(f"{_FAMILIES.get(family, family)}: {own:,.0f} buffers in the worst class; {told}.")
    return reasons


def _pairs(matrix: Matrix, best: Standing, other: Standing) -> list[tuple[Cell, Cell]]:
    """Cells that both answered."""
    own = {cell.case.name: cell for cell in matrix.cells if cell.index_set == best.name and cell.plan}
    theirs = [cell for cell in matrix.cells if cell.index_set == other.name and cell.plan]
    return [(own[cell.case.name], cell) for cell in theirs if cell.case.name in own]


def _largest_gain(matrix: Matrix, best: Standing, others: Sequence[Standing]) -> list[str]:
    pairs = [(own, cell, other) for other in others for own, cell in _pairs(matrix, best, other)]
    if not pairs:
        return []
    own, cell, other = max(pairs, key=lambda pair: _buffers(pair[1]) / _buffers(pair[0]))
    ratio = _buffers(cell) / _buffers(own)
    return [
        f"The largest difference is {cell.case.query.title} ({cell.case.parameter_class.title}): "
        f"{_buffers(own):,} buffers instead of {_buffers(cell):,} under {other.title}, {times(ratio)}."
    ]


def _write_reasons(best: Standing, others: Sequence[Standing]) -> list[str]:
    if not others or not best.insert_wal:
        return []
    wal = ", ".join(f"{times(best.insert_wal / one.insert_wal)} {one.title}" for one in others if one.insert_wal)
    size = ", ".join(f"{times(best.result.bytes / one.result.bytes)} {one.title}" for one in others)
    reasons = [
        f"A message insert writes {amount(best.insert_wal)} of WAL: {wal}.",
        f"All indexes take {amount(best.result.bytes)}: {size}.",
    ]
    return reasons + _hot_reason(best)


def _hot_reason(best: Standing) -> list[str]:
    for write in best.result.writes:
        if write.family == "insert" and write.hot_share is not None and write.hot_share < 0.5:
            share = f"{write.hot_share:.0%}"
            return [
                f"Its price: a message moves its conversation in indexes that hold last_activity_at, so {share} of "
                "those row updates stay out of the indexes (HOT)."
            ]
    return []


def _weakest(matrix: Matrix, best: Standing, others: Sequence[Standing]) -> list[str]:
    """The cell in which another set beats the chosen one by most, and what that other set pays for it."""
    pairs = [(own, cell, other) for other in others for own, cell in _pairs(matrix, best, other)]
    pairs = [pair for pair in pairs if _buffers(pair[0]) > WORSE * _buffers(pair[1])]
    if not pairs:
        return []
    own, cell, other = max(pairs, key=lambda pair: (_buffers(pair[0]) / _buffers(pair[1]), -pair[2].reads))
    extra = other.insert_wal - best.insert_wal
    price = f", for {amount(abs(extra))} {'more' if extra > 0 else 'less'} WAL an insert" if extra else ""
    return [
        f"It is not best at everything: {cell.case.query.title} ({cell.case.parameter_class.title}) reads "
        f"{_buffers(own):,} buffers, {_buffers(cell):,} under {other.title}{price}."
    ]


def _ratios(matrix: Matrix, other: Standing, best: Standing) -> dict[str, Any]:
    """Of `other` to the chosen set: above 1, the chosen one is better."""
    families = {name: value / best.by_family[name] for name, value in other.by_family.items() if name in best.by_family}
    return {
        "reads": round(other.reads / best.reads, 3),
        "lower_bound": bool(other.stopped),
        "families": {name: round(value, 3) for name, value in families.items()},
        "insert_wal": round(other.insert_wal / best.insert_wal, 3) if best.insert_wal else None,
        "bytes": round(other.result.bytes / best.result.bytes, 3),
        "worst": _worst_ratio(matrix, other, best),
    }


def _worst_ratio(matrix: Matrix, other: Standing, best: Standing) -> dict[str, Any] | None:
    pairs = _pairs(matrix, best, other)
    if not pairs:
        return None
    own, cell = max(pairs, key=lambda pair: _buffers(pair[1]) / _buffers(pair[0]))
    return {
        "query": cell.case.query.name,
        "class": cell.case.parameter_class.name,
        "buffers": _buffers(cell),
        "against": _buffers(own),
        "ratio": round(_buffers(cell) / _buffers(own), 1),
    }
