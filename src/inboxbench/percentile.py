"""The one percentile of this project: the nearest rank, so that the result is always a value that was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values`, in any order, that at least `share` (0 to 1) of them do not exceed.

    NaN when there are no values.

    >>> percentile([4, 1, 3, 2], 0.5), percentile([1, 2, 3], 0.99), percentile([1.0], 0.95)
    (2, 3, 1.0)
    """
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)), 1) - 1]
