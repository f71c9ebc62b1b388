"""Numbers of a stress run."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank: always a value that was measured. NaN for none.

    >>> percentile([4, 1, 3, 2], 0.5), percentile([1, 2, 3], 0.99)
    (2, 3)
    """
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]


def fairness(wins: Sequence[int]) -> float:
    """Jain's index of wins per worker: 1 when all won alike, 1/n when one took everything. NaN when nobody won.

    Jain, Chiu, Hawe: A quantitative measure of fairness (DEC TR-301, 1984).

    >>> fairness([5, 5]), fairness([10, 0])
    (1.0, 0.5)
    """
    squares = sum(won * won for won in wins)
    return sum(wins) ** 2 / (len(wins) * squares) if squares else math.nan
