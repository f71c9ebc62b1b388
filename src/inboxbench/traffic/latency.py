"""How long the requests of each class took: percentiles, the longest wait, and a course over time of bounded length.

A latency counts from the moment the request was due. Where the instrument itself stood still (see `clock`),
that share is said with the longest latency and left out of the longest wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from inboxbench.traffic.clock import Standstills
from inboxbench.traffic.engine import Answer, RequestClass, Traffic
from inboxbench.units import percentile

_INTERVALS = 200  # more than a page is wide, in bars of two pixels
_LEAST_INTERVAL_MS = 250.0


@dataclass(frozen=True, slots=True)
class Interval:
    """Requests of a class that were due between `started_ms` and the next one's: how long they took from then on."""

    started_ms: float
    requests: int
    p50_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Latencies:
    """The latencies of one class over a run, in ms; moments are on the run's clock.

    max_stall_ms is the longest latency as it was measured, and still_ms how much of it the instrument stood still.
    max_wait_ms is the longest latency without such a share; the request that had it was due at longest_at_ms.
    """

    p50_ms: float
    p99_ms: float
    max_stall_ms: float
    still_ms: float
    max_wait_ms: float
    longest_at_ms: float
    course: tuple[Interval, ...]


def by_class(traffic: Traffic) -> Iterator[tuple[RequestClass, list[Answer]]]:
    """Yield each class that sent anything with its answers, in the order in which they were due."""
    answers: dict[str, list[Answer]] = {item.name: [] for item in traffic.classes}
    for answer in sorted(traffic.answers, key=lambda answer: answer.due_ms):
        answers[answer.name].append(answer)
    yield from ((item, answers[item.name]) for item in traffic.classes if answers[item.name])


def measure(answers: Sequence[Answer], standstills: Standstills, origin_ms: float = 0.0) -> Latencies:
    """Summarise the answers of one class, which are in the order in which they were due.

    origin_ms: Unix time in ms at which the run's own clock began.
    """
    slowest_first = sorted(answers, key=lambda answer: answer.latency_ms, reverse=True)
    values = [answer.latency_ms for answer in slowest_first]
    longest, wait_ms = slowest_first[0], -1.0
    for answer in slowest_first:
        if answer.latency_ms <= wait_ms:
            break  # all that follow are shorter still
        own_ms = answer.latency_ms - standstills.still_ms(answer.due_ms, answer.finished_ms)
        if own_ms > wait_ms:
            longest, wait_ms = answer, own_ms
    return Latencies(
        p50_ms=percentile(values, 0.50),
        p99_ms=percentile(values, 0.99),
        max_stall_ms=values[0],
        still_ms=standstills.still_ms(slowest_first[0].due_ms, slowest_first[0].finished_ms),
        max_wait_ms=wait_ms,
        longest_at_ms=longest.due_ms - origin_ms,
        course=tuple(course([(answer.due_ms, answer.latency_ms) for answer in answers], origin_ms)),
    )


def course(answers: Sequence[tuple[float, float]], origin_ms: float = 0.0) -> Iterator[Interval]:
    """Divide (due, latency) pairs in ms, ordered by due, into at most 200 intervals; empty ones are left out.

    started_ms of an interval counts from origin_ms on.
    """
    begin = answers[0][0]
    width = max((answers[-1][0] - begin) / (_INTERVALS - 1), _LEAST_INTERVAL_MS)
    for number, group in groupby(answers, key=lambda answer: int((answer[0] - begin) / width)):
        latencies = [latency for _, latency in group]
        started = begin + number * width - origin_ms
        yield Interval(started, len(latencies), percentile(latencies, 0.5), max(latencies))
