"""Where a counter changed for good: steps of what repeats exactly, and change points by Apache Otava's analysis.

Otava (E-divisive means with a t-test, the method of "Hunter", ICPE 2023) is asked for counters, never for times: it
then judges levels, not noise. It needs a few runs on both sides of a change; an exact counter does not.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from inboxbench.errors import UsageError
from inboxbench.gate.series import Series

Evidence = Literal["change point", "step"]

_MAX_PVALUE = 0.001
# As the gate's own budget for what repeats only roughly.
_MIN_MAGNITUDE = 0.01


@dataclass(frozen=True, slots=True)
class Shift:
    """From point `at` on, a counter is another. before, after: its means of the runs up to the neighbouring shifts.

    evidence: "change point" if Otava says so, "step" if an exact counter changed and there is not more to go by.
    asked: the query or its parameters changed there, too.
    """

    series: Series
    at: int
    before: float
    after: float
    evidence: Evidence
    asked: bool

    @property
    def worse(self) -> bool:
        """More pages, rows, bytes; less HOT."""
        return (self.after < self.before) if self.series.metric == "hot" else (self.after > self.before)

    @property
    def factor(self) -> float:
        return self.after / self.before if self.before else float("inf")


def analysis_missing() -> str | None:
    """Why there are no change points, in words; None when Otava is installed."""
    try:
        import otava.analysis  # noqa: F401, PLC0415 - an extra
    except ImportError:
        return "steps of exact counters only; change points need Apache Otava: pip install 'inboxbench[history]'"
    return None


def shifts(series: Series) -> list[Shift]:
    """Oldest first. Without Otava, steps of exact counters alone."""
    known = [(number, float(value)) for number, value in enumerate(series.values) if value is not None]
    values = [value for _, value in known]
    found = set() if analysis_missing() else set(change_points(values))
    steps = (
        {place for place, (old, new) in enumerate(pairwise(values), start=1) if old != new} if series.exact else set()
    )
    cuts = sorted(found | steps)
    return list(_shifts(series, known, cuts, found))


def _shifts(
    series: Series, known: Sequence[tuple[int, float]], cuts: Sequence[int], found: set[int]
) -> Iterator[Shift]:
    edges = [0, *cuts, len(known)]
    for number, cut in enumerate(cuts, start=1):
        before, after = (
            sum(value for _, value in known[low:high]) / (high - low)
            for low, high in ((edges[number - 1], cut), (cut, edges[number + 1]))
        )
        at, last = known[cut][0], known[cut - 1][0]
        asked = bool(series.texts) and series.texts[at] != series.texts[last]
        yield Shift(series, at, before, after, "change point" if cut in found else "step", asked)


def change_points(values: Sequence[float]) -> list[int]:
    """Indexes at which a new level begins. Raises UsageError when Otava is not installed."""
    if said := analysis_missing():
        raise UsageError(said)
    if len(set(values)) < 2:
        return []
    import numpy as np  # noqa: PLC0415
    from otava.analysis import compute_change_points  # noqa: PLC0415

    with np.errstate(all="ignore"), warnings.catch_warnings():  # levels without any spread divide by zero
        warnings.simplefilter("ignore")
        found, _weak = compute_change_points(
            np.asarray(values, dtype=float), max_pvalue=_MAX_PVALUE, min_magnitude=_MIN_MAGNITUDE
        )
    return [int(one.index) for one in found]
