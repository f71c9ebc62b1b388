"""Why a set is chosen: what it saves, what it costs, at which mixes another would be, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench import units
from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.verdict.choice import Contest
from inboxbench.bench.verdict.pareto import Standing, break_even, buffers, point

# A cell that reads this many times more than under another set is told, however good the rest is.
WORSE = 1.5

_FAMILIES = {"list": "Inbox list", "unread": "Unread counters", "search": "Search", "thread": "Opening a thread"}


def reasons(found: Contest, best: Standing, others: Sequence[Standing]) -> list[str]:
    """For and against, the most general first."""
    return [
        *_span(found, best, others),
        *_pays(found, best, others),
        *_passed_over(found, best, others),
        *_family_reasons(best, others),
        *_largest_gain(found.matrix, best, others),
        *_write_reasons(best, others),
        *_weakest(found.matrix, best, others),
    ]


def headline(found: Contest, best: Standing, others: Sequence[Standing]) -> str:
    if not others:
        return f"Only {best.title} was measured; there is nothing to compare it with."
    cost = found.cost(best)
    reads = "; ".join(_compared(one, found.cost(one) / cost) for one in others)
    return f"Choose {best.title}: a request of the mix ({found.mix.text}) costs {cost:,.0f} pages; {reads}."


def _compared(one: Standing, ratio: float) -> str:
    bound = "at least " if one.stopped else ""
    return f"{bound}{units.times(ratio)} as many under {one.title}"


def _span(found: Contest, best: Standing, others: Sequence[Standing]) -> list[str]:
    """How far the share of writes may move before another set costs less, all else of the mix staying as it is."""
    least, most = 0.0, 1.0
    below = above = ""
    mine = found.price(best)
    for one in others:
        theirs = found.price(one)
        if (reads := point(mine, theirs)) is not None and 1 / (1 + reads) > least:
            least, below = 1 / (1 + reads), one.title
        if (reads := point(theirs, mine)) is not None and 1 / (1 + reads) < most:
            most, above = 1 / (1 + reads), one.title
    if not others or least > most or any(found.able(one) and found.cost(one) < found.cost(best) for one in others):
        return []
    edges = [f"below that {below} does"] if below else []
    edges += [f"above that {above} does"] if above else []
    if not edges:
        return ["It costs least of all sets at any share of writes."]
    return [f"It costs least from {_hundred(least)} to {_hundred(most)} writes in 100 requests; {', '.join(edges)}."]


def _pays(found: Contest, best: Standing, others: Sequence[Standing]) -> list[str]:
    """Where it breaks even with each other set, in reads for a write."""
    told: list[str] = []
    always = []
    for one in others:
        even = break_even(best, one, found.mix, found.wal_per_page)
        if even.always == best.name:
            always.append(one.title)
        elif even.reads_per_write is not None:
            bound = "at most " if even.bound else ""
            side = "from" if even.reader == best.name else "up to"
            told.append(f"{side} {bound}{even.reads_per_write:.2g} against {one.title}")
    told += [f"at any number against {' and against '.join(always)}"] if always else []
    return [f"Reads for a write at which it pays: {'; '.join(told)}."] if told else []


def _hundred(share: float) -> str:
    """
    >>> _hundred(0.0), _hundred(0.1234), _hundred(0.0012), _hundred(1.0)
    ('0', '12', '0.12', '100')
    """
    percent = share * 100
    return f"{percent:.0f}" if percent >= 1 or percent == 0 else f"{percent:.2f}"


def _passed_over(found: Contest, best: Standing, others: Sequence[Standing]) -> list[str]:
    """Cheaper sets that were not chosen, and why."""
    told = []
    for one in others:
        if found.cost(one) >= found.cost(best):
            continue
        if found.able(one):
            told.append(
                f"{one.title} costs {found.cost(one) / found.cost(best):.0%} of that, but its indexes are larger."
            )
        else:
            lacks = "gives other rows" if one.wrong else "does not answer all of the mix in time"
            told.append(f"{one.title} is left out: it {lacks}.")
    return told


def _family_reasons(best: Standing, others: Sequence[Standing]) -> list[str]:
    reasons = []
    for family, own in best.by_family.items():
        told = ", ".join(
            f"{one.by_family[family]:,.0f} under {one.title} ({units.times(one.by_family[family] / own)})"
            for one in others
            if family in one.by_family
        )
        if told:
            reasons.append(f"{_FAMILIES.get(family, family)}: {own:,.0f} buffers in the worst class; {told}.")
    return reasons


def pairs_of(matrix: Matrix, best: Standing, other: Standing) -> list[tuple[Cell, Cell]]:
    """Cells that both answered."""
    own = {cell.case.name: cell for cell in matrix.cells if cell.index_set == best.name and cell.plan}
    theirs = [cell for cell in matrix.cells if cell.index_set == other.name and cell.plan]
    return [(own[cell.case.name], cell) for cell in theirs if cell.case.name in own]


def _largest_gain(matrix: Matrix, best: Standing, others: Sequence[Standing]) -> list[str]:
    pairs = [(own, cell, other) for other in others for own, cell in pairs_of(matrix, best, other)]
    if not pairs:
        return []
    own, cell, other = max(pairs, key=lambda pair: buffers(pair[1]) / buffers(pair[0]))
    ratio = buffers(cell) / buffers(own)
    return [
        f"The largest difference is {cell.case.query.title} ({cell.case.parameter_class.title}): "
        f"{buffers(own):,} buffers instead of {buffers(cell):,} under {other.title}, {units.times(ratio)}."
    ]


def _write_reasons(best: Standing, others: Sequence[Standing]) -> list[str]:
    if not others or not best.insert_wal:
        return []
    wal = ", ".join(f"{units.times(best.insert_wal / one.insert_wal)} {one.title}" for one in others if one.insert_wal)
    size = ", ".join(f"{units.times(best.result.bytes / one.result.bytes)} {one.title}" for one in others)
    reasons = [
        f"An insert writes {units.size(best.insert_wal)} of WAL: {wal}.",
        f"All indexes take {units.size(best.result.bytes)}: {size}.",
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
    pairs = [(own, cell, other) for other in others for own, cell in pairs_of(matrix, best, other)]
    pairs = [pair for pair in pairs if buffers(pair[0]) > WORSE * buffers(pair[1])]
    if not pairs:
        return []
    own, cell, other = max(pairs, key=lambda pair: (buffers(pair[0]) / buffers(pair[1]), -pair[2].reads))
    extra = other.insert_wal - best.insert_wal
    price = f", for {units.size(abs(extra))} {'more' if extra > 0 else 'less'} WAL an insert" if extra else ""
    return [
        f"It is not best at everything: {cell.case.query.title} ({cell.case.parameter_class.title}) reads "
        f"{buffers(own):,} buffers, {buffers(cell):,} under {other.title}{price}."
    ]
