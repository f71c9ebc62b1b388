"""The oracle of a stress run: what the workers say they won against what the rows themselves remember."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Win = tuple[int, int]  # conversation id, agent id
Histories = Mapping[int, Sequence[int | None]]  # conversation id → whom it was given to, oldest first


@dataclass(frozen=True, slots=True)
class Verdict:
    """assigned: distinct conversations; claims: committed assignments; doubles: those that took a held one.

    unwritten: wins that a worker reported and no row remembers; unreported: the reverse. Both are zero unless the
    recording itself is broken.
    """

    assigned: int
    claims: int
    doubles: int
    unwritten: int
    unreported: int


def doubles(versions: Sequence[int | None]) -> int:
    """Assignments in `versions` (a row's own list, oldest first) that replaced a holder with another claim.

    >>> doubles([7]), doubles([7, 9]), doubles([7, None, 9]), doubles([7, 7])
    (0, 1, 0, 1)
    """
    pairs = pairwise(versions)
    return sum(before is not None and after is not None for before, after in pairs)


def check(wins: Iterable[Win], histories: Histories) -> Verdict:
    """Compare both records. Linear in their length."""
    reported = Counter(wins)
    written = Counter((row, agent) for row, agents in histories.items() for agent in agents if agent is not None)
    return Verdict(
        assigned=sum(any(agent is not None for agent in agents) for agents in histories.values()),
        claims=written.total(),
        doubles=sum(doubles(agents) for agents in histories.values()),
        unwritten=(reported - written).total(),
        unreported=(written - reported).total(),
    )
