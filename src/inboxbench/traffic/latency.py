"""How long requests took over a run: a bounded number of intervals, however long it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from inboxbench.percentile import percentile

_INTERVALS = 200  # more than a page is wide, in bars of two pixels
_LEAST_INTERVAL_MS = 250.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Requests of a class that were due between `started_ms` and the next one's: how long they took from then on."""

    started_ms: float
    requests: int
    p50_ms: float
    max_ms: float


def course(answers: Sequence[tuple[float, float]], origin_ms: float = 0.0) -> Iterator[Interval]:
    """Of (due, latency) in ms, in the order in which they were due; intervals in which none was due are left out.

    started_ms of an interval counts from origin_ms on.
    """
    begin = answers[0][0]
    width = max((answers[-1][0] - begin) / (_INTERVALS - 1), _LEAST_INTERVAL_MS)
    for number, group in groupby(answers, key=lambda one: int((one[0] - begin) / width)):
        latencies = sorted(latency for _, latency in group)
        yield Interval(begin + number * width - origin_ms, len(latencies), percentile(latencies, 0.5), latencies[-1])
