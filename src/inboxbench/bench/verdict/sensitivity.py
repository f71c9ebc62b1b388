"""How firmly a mix decides: which query or write makes the difference, and at which weight another set would win."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inboxbench import units
from inboxbench.bench.verdict.pareto import Contest, Standing
from inboxbench.report.verdict import Turn

# Of the requests: what no more ask for, and what makes the choice all the same, is named however much it decides.
_SMALL = 0.1
# A weight that has to change more than this many times (its odds) before another set wins decides nothing else.
_FAR = 3.0


@dataclass(frozen=True, slots=True)
class _Part:
    """A query or write: its share of the requests, and how much more it costs under another set than under the chosen
    one, in pages (below 0: less)."""

    name: str
    share: float
    more: float


def turns(found: Contest) -> list[Turn]:
    """Return for each query and write that another set would win by, asked for a little more or less often, the nearest
    such weight: those of small weight that decide first, then the one that has to change least."""
    nearest: dict[str, Turn] = {}
    rivals = [
        other for other in found.others if found.lack(other) is None and found.cost(other) > found.cost(found.chosen)
    ]
    for other in rivals:
        parts = _parts(found, other)
        whole = sum(part.share * part.more for part in parts)
        for part in parts:
            at = _turning_share(part, whole)
            if at is None:
                continue
            turn = Turn(part.name, round(part.share, 6), round(at, 6), other.name, *_worst_class(found, part.name))
            if part.name not in nearest or _change(turn) < _change(nearest[part.name]):
                nearest[part.name] = turn
    named = [turn for turn in nearest.values() if _decides(turn) or _change(turn) <= _FAR]
    return sorted(named, key=lambda turn: (not _decides(turn), _change(turn)))


def _parts(found: Contest, other: Standing) -> list[_Part]:
    mine, theirs = _costs(found, found.chosen), _costs(found, other)
    shares = {**found.mix.reads, **found.mix.writes}
    return [
        _Part(name, share, theirs[name] - mine[name])
        for name, share in shares.items()
        if share and name in mine and name in theirs
    ]


def _costs(found: Contest, standing: Standing) -> Mapping[str, float]:
    reads = {name: read.cost for name, read in standing.reads_by_query.items()}
    return reads | {write.name: found.write_cost(write) for write in standing.result.writes}


def _turning_share(part: _Part, whole: float) -> float | None:
    """Return the share of the requests at which both sets cost the same, the others keeping their proportions; None
    where there is none between 0 and 1. whole: what a request costs more under the other set."""
    if part.share >= 1:
        return None
    rest = (whole - part.share * part.more) / (1 - part.share)
    at = rest / (rest - part.more) if rest != part.more else -1.0
    return at if 0 <= at < 1 else None


def _decides(turn: Turn) -> bool:
    """Return whether few requests make the choice: without them another set would win."""
    return turn.turns_at < turn.share <= _SMALL


def _change(turn: Turn) -> float:
    """Return how many times the odds of its weight have to change."""
    least, most = sorted(share / (1 - share) for share in (turn.share, turn.turns_at))
    return most / least if least > 0 else float("inf")


def _worst_class(found: Contest, name: str) -> tuple[str | None, float | None]:
    """Return the class of parameters in which the chosen set pays most for a query, and what; nothing for a write."""
    cells = [
        cell
        for cell in found.matrix.cells
        if cell.index_set == found.chosen.name and cell.case.query.name == name and cell.plan
    ]
    if not cells:
        return None, None
    worst = max(cells, key=found.cell_cost)
    return worst.case.parameter_class.name, round(found.cell_cost(worst), 1)


def sensitivity(found: Contest) -> list[str]:
    """Return what of the mix decides, in sentences."""
    titles = {other.name: other.title for other in found.others}
    asked = {query.name: query.title for query in found.matrix.workload.queries}
    sentences = []
    for turn in turns(found)[:2]:
        name, now, at = asked.get(turn.name, turn.name), _hundred(turn.share), _hundred(turn.turns_at)
        fewer = f"{name} decides: at fewer than {at} of 100 requests instead of {now}"
        more = f"At more than {at} of 100 requests for {name} instead of {now}"
        sentences.append(f"{fewer if turn.turns_at < turn.share else more}, {titles[turn.to]} would win.")
    return [*sentences, *_dearest(found)]


def _dearest(found: Contest) -> list[str]:
    """Return the cell that makes up most of what a request costs under the chosen set."""
    cost = found.cost(found.chosen)
    shares = {name: share * found.chosen.reads_by_query[name].cost for name, share in found.mix.reads.items()
              if name in found.chosen.reads_by_query}  # fmt: skip
    if len(shares) < 2 or not cost:
        return []
    name = max(shares, key=lambda query: shares[query])
    where, pages = _worst_class(found, name)
    return [
        f"Of its cost, {units.share(shares[name] / cost)} are {name} [{where}]: {units.number(pages)} pages, in "
        f"{_hundred(found.mix.reads[name])} of 100 requests."
    ]


def _hundred(share: float) -> str:
    """
    >>> _hundred(0.5), _hundred(0.004), _hundred(0.0)
    ('50', '0.4', '0')
    """
    return f"{share * 100:.2g}" if share < 0.995 else "100"
