"""Why a set is chosen: what it saves, what it costs, at which mixes another would be, in sentences.

Queries, classes of parameters, writes and sets are called by their own titles, families by their names. Nothing is said
about writes when none was measured.
"""

from __future__ import annotations

from inboxbench import units
from inboxbench.bench.model import Cell, Matrix
from inboxbench.bench.verdict.pareto import Contest, Standing, break_even, buffers, point
from inboxbench.bench.verdict.sensitivity import sensitivity

# A cell that reads this many times more than under another set is named, however good the rest is.
WORSE = 1.5
# Of the row updates of a write, the share of HOT below which the set is said to pay for its columns.
_FEW_HOT = 0.5


def headline(found: Contest) -> str:
    """Return the choice in one sentence."""
    best, others = found.chosen, found.others
    if not others:
        return f"Only {best.title} was measured; there is nothing to compare it with."
    cost = found.cost(best)
    following = found.ranked[1] if len(found.ranked) > 1 else None
    rest = [_compared(other, found.cost(other) / cost) for other in others if other is not following]
    first = f"a request of the mix ({found.mix.text}) costs {units.number(cost)} pages{_against(found, following)}"
    return f"Choose {best.title}: {'; '.join([first, *rest])}."


def _against(found: Contest, following: Standing | None) -> str:
    """Return what the set that would be chosen next costs, and what decided against it."""
    if following is None:
        return ""
    cost, other = found.cost(found.chosen), found.cost(following)
    bound = "at least " if following.stopped else ""
    against = f" against {bound}{units.number(other)} under {following.title}"
    if other < cost:
        sizes = f"{units.size(found.chosen.result.bytes)} against {units.size(following.result.bytes)}"
        return f"{against}, which is less by under 5 %, with smaller indexes ({sizes})"
    return f"{against}, the next ({units.times(other / cost)})"


def reasons(found: Contest) -> list[str]:
    """Return what speaks for the choice and against it, the most general first."""
    return [
        *(_write_shares(found) + _reads_for_a_write(found) if found.writes else []),
        *sensitivity(found),
        *_passed_over(found),
        *_undecided(found),
        *_by_family(found),
        *_largest_gain(found),
        *_write_costs(found),
        *_weakest(found),
        *_not_tried(found),
    ]


def _not_tried(found: Contest) -> list[str]:
    """Return the sets that did not stand for election, by the reason."""
    reasons: dict[str, list[str]] = {}
    for name, why in found.matrix.untried:
        reasons.setdefault(why, []).append(name)
    return [f"Not tried: {', '.join(names)}; {why}." for why, names in reasons.items()]


def _compared(other: Standing, ratio: float) -> str:
    bound = "at least " if other.stopped else ""
    return f"{bound}{units.times(ratio)} as many under {other.title}"


def _write_shares(found: Contest) -> list[str]:
    """Return how far the share of writes may move before another set costs less, all else of the mix staying as it
    is."""
    best, others = found.chosen, found.others
    least, most = 0.0, 1.0
    below = above = ""
    mine = found.price(best)
    for other in others:
        theirs = found.price(other)
        if (reads := point(mine, theirs)) is not None and 1 / (1 + reads) > least:
            least, below = 1 / (1 + reads), other.title
        if (reads := point(theirs, mine)) is not None and 1 / (1 + reads) < most:
            most, above = 1 / (1 + reads), other.title
    cheaper = [other for other in others if found.lack(other) is None and found.cost(other) < found.cost(best)]
    if not others or least > most or cheaper:
        return []
    edges = [f"below that {below} does"] if below else []
    edges += [f"above that {above} does"] if above else []
    if not edges:
        return ["It costs least of all sets at any share of writes."]
    return [f"It costs least from {_hundred(least)} to {_hundred(most)} writes in 100 requests; {', '.join(edges)}."]


def _reads_for_a_write(found: Contest) -> list[str]:
    """Return where it breaks even with each other set, in reads for a write."""
    best = found.chosen
    points: list[str] = []
    always = []
    for other in found.others:
        even = break_even(best, other, found.mix, found.wal_per_page)
        if even.always == best.name:
            always.append(other.title)
        elif even.reads_per_write is not None:
            bound = "at most " if even.upper_bound else ""
            side = "from" if even.reader == best.name else "up to"
            points.append(f"{side} {bound}{even.reads_per_write:.2g} against {other.title}")
    points += [f"at any number against {' and against '.join(always)}"] if always else []
    return [f"Reads for a write at which it pays: {'; '.join(points)}."] if points else []


def _hundred(share: float) -> str:
    """
    >>> _hundred(0.0), _hundred(0.1234), _hundred(0.0012), _hundred(1.0)
    ('0', '12', '0.12', '100')
    """
    percent = share * 100
    return f"{percent:.0f}" if percent >= 1 or percent == 0 else f"{percent:.2f}"


def _passed_over(found: Contest) -> list[str]:
    """Cheaper sets that were not chosen, and why."""
    cost = found.cost(found.chosen)
    sentences = []
    for other in found.others:
        if found.cost(other) >= cost:
            continue
        if lack := found.lack(other):
            sentences.append(f"{other.title} is left out: it {lack}.")
        else:
            share = units.share(found.cost(other) / cost)
            sentences.append(f"{other.title} costs {share} of that, but its indexes are larger.")
    return sentences


def _undecided(found: Contest) -> list[str]:
    """Return the cells of which nobody can say whether their rows are right."""
    return [
        f"{_title(cell)} gives other rows under {cell.index_set}, and it cannot be decided whether they are right: "
        f"{cell.undecided}."
        for cell in found.matrix.cells
        if cell.undecided
    ]


def _by_family(found: Contest) -> list[str]:
    best = found.chosen
    sentences = []
    for family, own in best.by_family.items():
        compared = ", ".join(
            f"{units.number(theirs)} under {other.title} ({units.times(theirs / own)})"
            for other in found.others
            if (theirs := other.by_family.get(family)) is not None
        )
        if compared:
            sentences.append(f"{family}: {units.number(own)} buffers in the worst class; {compared}.")
    return sentences


def pairs_of(matrix: Matrix, best: Standing, other: Standing) -> list[tuple[Cell, Cell]]:
    """Return the cells that both answered."""
    own = {cell.case.name: cell for cell in matrix.cells if cell.index_set == best.name and cell.plan}
    theirs = [cell for cell in matrix.cells if cell.index_set == other.name and cell.plan]
    return [(own[cell.case.name], cell) for cell in theirs if cell.case.name in own]


def _pairs(found: Contest) -> list[tuple[Cell, Cell, Standing]]:
    return [
        (own, theirs, other) for other in found.others for own, theirs in pairs_of(found.matrix, found.chosen, other)
    ]


def _largest_gain(found: Contest) -> list[str]:
    pairs = _pairs(found)
    if not pairs:
        return []
    own, theirs, other = max(pairs, key=lambda pair: buffers(pair[1]) / buffers(pair[0]))
    return [
        f"The largest difference is {_title(own)}: {buffers(own):,} buffers instead of {buffers(theirs):,} under "
        f"{other.title}, {units.times(buffers(theirs) / buffers(own))}."
    ]


def _title(cell: Cell) -> str:
    return f"{cell.case.query.title} ({cell.case.parameter_class.title})"


def _write_costs(found: Contest) -> list[str]:
    best, others = found.chosen, found.others
    if not others or not best.insert_wal:
        return []
    wal = ", ".join(
        f"{units.times(best.insert_wal / other.insert_wal)} {other.title}" for other in others if other.insert_wal
    )
    size = ", ".join(f"{units.times(best.result.bytes / other.result.bytes)} {other.title}" for other in others)
    return [
        f"An insert writes {units.size(best.insert_wal)} of WAL: {wal}.",
        f"All indexes take {units.size(best.result.bytes)}: {size}.",
        *_hot(best),
    ]


def _hot(best: Standing) -> list[str]:
    for write in best.result.writes:
        if write.family == "insert" and write.hot_share is not None and write.hot_share < _FEW_HOT:
            return [
                f"Its price: {write.title!r} updates rows in columns that these indexes hold, so "
                f"{units.share(write.hot_share)} of those row updates stay out of the indexes (HOT)."
            ]
    return []


def _weakest(found: Contest) -> list[str]:
    """Return the cell in which another set beats the chosen one by most, and what that other set pays for it."""
    pairs = [pair for pair in _pairs(found) if buffers(pair[0]) > WORSE * buffers(pair[1])]
    if not pairs:
        return []
    own, theirs, other = max(pairs, key=lambda pair: (buffers(pair[0]) / buffers(pair[1]), -pair[2].reads))
    extra = other.insert_wal - found.chosen.insert_wal
    price = f", for {units.size(abs(extra))} {'more' if extra > 0 else 'less'} WAL an insert" if extra else ""
    return [
        f"It is not best at everything: {_title(own)} reads {buffers(own):,} buffers, {buffers(theirs):,} under "
        f"{other.title}{price}."
    ]
