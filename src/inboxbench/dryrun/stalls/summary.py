"""What each class of traffic waited for: percentiles, errors, deadlocks, and stalls with their cause."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from inboxbench.dryrun.model import Felt, Problem, Stall, Statement
from inboxbench.dryrun.stalls.cause import Cause, Causes
from inboxbench.dryrun.stalls.deadlocks import DEADLOCK, Cycles
from inboxbench.dryrun.stalls.lock_waits import Waits
from inboxbench.traffic.clock import NOTICED_MS, Standstills
from inboxbench.traffic.engine import Answer, RequestClass, Traffic
from inboxbench.traffic.latency import by_class, measure

_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class _Clock:
    """origin_ms: Unix time of the run's 0."""

    origin_ms: float
    standstills: Standstills


def summarise(traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float) -> tuple[Felt, ...]:
    """Summarise each class that sent anything. origin_ms: Unix time in ms at which the run's own clock began."""
    clock = _Clock(origin_ms, traffic.standstills)
    causes = Causes(traffic, waits, statements, origin_ms)
    cycles = Cycles(traffic, waits, statements, origin_ms)
    return tuple(_felt(item, answers, causes, cycles, clock) for item, answers in by_class(traffic))


def _felt(item: RequestClass, answers: Sequence[Answer], causes: Causes, cycles: Cycles, clock: _Clock) -> Felt:
    latencies = measure(answers, clock.standstills, clock.origin_ms)
    errors = [answer.error for answer in answers if answer.error]
    other = next((answer.error for answer in answers if answer.error and answer.state != DEADLOCK), None)
    explained = [(answer, causes.of(answer)) for answer in answers]
    deadlocks, cycle = cycles.of(item.name, answers)
    return Felt(
        name=item.name,
        kind=item.kind,
        requests=len(answers),
        p50_ms=latencies.p50_ms,
        p99_ms=latencies.p99_ms,
        max_stall_ms=latencies.max_stall_ms,
        still_ms=latencies.still_ms,
        max_wait_ms=latencies.max_wait_ms,
        longest_at_ms=latencies.longest_at_ms,
        blocked_ms=_union((answer.sent_ms, answer.finished_ms) for answer, cause in explained if cause and cause.lock),
        errors=len(errors),
        first_error=other or (errors[0] if errors else None),
        deadlocks=deadlocks,
        deadlock_cycle=cycle,
        stalls=tuple(_stalls(explained, clock)),
        course=latencies.course,
        problems=tuple(_problems(answers, clock.origin_ms))[:_MOST_PROBLEMS],
    )


def _problems(answers: Iterable[Answer], origin_ms: float) -> Iterable[Problem]:
    """One for each thing that was said, in the order in which it was."""
    found: dict[tuple[str | None, str], Problem] = {}
    for answer in answers:
        if answer.error:
            said = (answer.state, answer.error)
            before = found.get(said, Problem(*said, 0, answer.finished_ms - origin_ms))
            found[said] = replace(before, requests=before.requests + 1)
    return found.values()


def _union(spans: Iterable[tuple[float, float]]) -> float:
    """The time covered by any of the spans.

    >>> _union([(0, 10), (5, 20), (30, 31)])
    21.0
    """
    total, reached = 0.0, -math.inf
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def _stalls(explained: Sequence[tuple[Answer, Cause | None]], clock: _Clock) -> list[Stall]:
    """One stall for each run of requests in a row that the same thing held up: it shows in every one of them."""
    stalls: list[Stall] = []
    before: Cause | None = None
    for answer, cause in explained:
        if cause is None or (not cause.lock and answer.latency_ms < NOTICED_MS):
            before = None if answer.latency_ms < NOTICED_MS else before
            continue
        stall = _stall(answer, cause, clock)
        if before == cause and stalls:
            longer = max(stall, stalls[-1], key=lambda stall: stall.duration_ms)
            stall = replace(longer, requests=stalls.pop().requests + 1)
        stalls.append(stall)
        before = cause
    return stalls


def _stall(answer: Answer, cause: Cause, clock: _Clock) -> Stall:
    return Stall(
        answer.due_ms - clock.origin_ms,
        answer.latency_ms,
        cause.statement,
        cause.relation,
        cause.wanted,
        cause.held,
        cause.queued,
        cause.behind,
        still_ms=clock.standstills.still_ms(answer.due_ms, answer.finished_ms),
    )
