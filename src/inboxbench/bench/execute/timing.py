"""Samples of server time: how many to take, and what to say about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from inboxbench.percentile import percentile

DEFAULT_ROUNDS = 15
FEWEST = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """rounds: executions of a cell that is quick; cell_s: seconds after which a cell has had enough;
    slow_s: a cell whose first execution takes longer is not executed again, except where that was the first of its
    query; client_s: one that takes longer is far above the client's own part, which is not timed then."""

    rounds: int = DEFAULT_ROUNDS
    cell_s: float = 0.25
    slow_s: float = 1.0
    client_s: float = 0.02

    def trips_for(self, first_s: float) -> int:
        """Executions that are timed on the client's side."""
        return self.rounds_for(first_s) if first_s <= self.client_s else 0

    def rounds_for(self, first_s: float) -> int:
        """Further executions after a first one of `first_s` seconds: 0 when that one has to do."""
        if first_s > self.slow_s:
            return 0
        affordable = int(self.cell_s / first_s) if first_s > 0 else self.rounds
        fewest = FEWEST if first_s <= self.cell_s else 1
        return min(self.rounds, max(fewest, affordable))


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of server time. With fewer than 20 samples p95 is the largest of them.

    client_ms: the median round trip on this side, rows received; None where the cell was too slow to be repeated.
    """

    median_ms: float
    p95_ms: float
    rounds: int
    client_ms: float | None = None


def summarise(samples_ms: Sequence[float], client_ms: Sequence[float] = ()) -> Timing:
    seen = median(client_ms) if client_ms else None
    return Timing(median(samples_ms), percentile(samples_ms, 0.95), len(samples_ms), seen)
