"""Live traffic beside a migration: what each class of requests felt, and during which revision it felt worst.

Open loop: each class sends at a fixed rate whatever the answers take, and a latency counts from the moment the
request was due. A stall of two seconds so shows in every request that was due meanwhile, as it would for users;
a closed loop would show it once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, LiteralString

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.machine import no_collection
from inboxbench.migrate.runner import Applied
from inboxbench.percentile import percentile
from inboxbench.server import reason
from inboxbench.traffic.latency import Interval, course

Kind = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class TrafficClass:
    """One kind of request: its statements (one transaction) and how to draw their parameters; rate in 1/s."""

    name: str
    kind: Kind
    rate_per_s: float
    statements: tuple[LiteralString, ...]
    draw: Callable[[Random], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One request. due and finished: time.monotonic(); error: the server's first line, None when it answered."""

    name: str
    due: float
    finished: float
    error: str | None = None

    @property
    def latency_ms(self) -> float:
        return (self.finished - self.due) * 1000


@dataclass(frozen=True, slots=True)
class ClassSummary:
    """worst_revision: the revision that filled most of the longest stall; None when none was running.

    course: latencies over time, on the clock that begins with the first revision.
    """

    name: str
    kind: Kind
    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_stall_ms: float
    worst_revision: str | None
    first_error: str | None
    course: tuple[Interval, ...] = ()


@dataclass(slots=True)
class Traffic:
    """Running traffic. Samples may be read once the `live_traffic` block has ended."""

    classes: Sequence[TrafficClass]
    stop: threading.Event = field(default_factory=threading.Event)
    samples: list[Sample] = field(default_factory=list)
    crashes: list[BaseException] = field(default_factory=list)


@contextmanager
def live_traffic(conninfo: str, classes: Sequence[TrafficClass], *, seed: int = 1) -> Iterator[Traffic]:
    """Traffic of `classes`, a session each, for the length of the block."""
    traffic = Traffic(classes)
    threads = [
        threading.Thread(target=_client, args=(traffic, item, conninfo, Random(f"{seed} {item.name}")), daemon=True)
        for item in classes
    ]
    with no_collection():
        for thread in threads:
            thread.start()
        try:
            yield traffic
        finally:
            traffic.stop.set()
            for thread in threads:
                thread.join()
    if traffic.crashes:
        raise traffic.crashes[0]


def _client(traffic: Traffic, item: TrafficClass, conninfo: str, random: Random) -> None:
    """One class until told to stop. Server errors are samples; anything else ends the traffic with it."""
    connection: Connection | None = None
    due = time.monotonic()
    try:
        while not traffic.stop.wait(max(0.0, due - time.monotonic())):
            if connection is None or connection.closed:
                connection = connect(conninfo, application_name=f"inboxbench traffic: {item.name}")
            traffic.samples.append(_request(connection, item, random, due))
            due += 1 / item.rate_per_s
    except BaseException as error:
        traffic.crashes.append(error)
    finally:
        if connection is not None:
            connection.close()


def _request(connection: Connection, item: TrafficClass, random: Random, due: float) -> Sample:
    problem = None
    parameters = item.draw(random)
    try:
        with connection.transaction():
            for statement in item.statements:
                connection.execute(statement, parameters)
    except psycopg.Error as error:
        problem = reason(error)
    return Sample(item.name, due, time.monotonic(), problem)


def summarise(traffic: Traffic, revisions: Iterable[Applied] = ()) -> list[ClassSummary]:
    """What each class felt; `revisions` say what was running when."""
    applied = tuple(revisions)
    by_class = {
        item.name: [sample for sample in traffic.samples if sample.name == item.name] for item in traffic.classes
    }
    return [_summary(item, by_class[item.name], applied) for item in traffic.classes if by_class[item.name]]


def _summary(item: TrafficClass, samples: Sequence[Sample], applied: Sequence[Applied]) -> ClassSummary:
    latencies = sorted(sample.latency_ms for sample in samples)
    worst = max(samples, key=lambda sample: sample.latency_ms)
    errors = [sample.error for sample in samples if sample.error]
    return ClassSummary(
        name=item.name,
        kind=item.kind,
        requests=len(samples),
        errors=len(errors),
        p50_ms=percentile(latencies, 0.50),
        p99_ms=percentile(latencies, 0.99),
        max_stall_ms=latencies[-1],
        worst_revision=_running_during(worst, applied),
        first_error=errors[0] if errors else None,
        course=tuple(_course(samples, applied)),
    )


def _course(samples: Sequence[Sample], applied: Sequence[Applied]) -> Iterator[Interval]:
    begin = min((one.started for one in applied), default=samples[0].due)
    return course([(sample.due * 1000, sample.latency_ms) for sample in samples], begin * 1000)


def _running_during(sample: Sample, applied: Sequence[Applied]) -> str | None:
    def overlap(one: Applied) -> float:
        return min(one.finished, sample.finished) - max(one.started, sample.due)

    longest = max(applied, key=overlap, default=None)
    return longest.revision.revision if longest is not None and overlap(longest) > 0 else None
