"""Summarises what each class of traffic waited for: percentiles, errors, deadlocks, stalls with the lock of each."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile

from inboxbench.dryrun.model import ClassSummary, Lock, Problem, Stall, Statement
from inboxbench.dryrun.row_work import modifies, names
from inboxbench.dryrun.stalls.lock_waits import DEADLOCK, Cycles, Wait, Waits
from inboxbench.traffic.clock import NOTICED_MS, Span, Standstills
from inboxbench.traffic.engine import Answer, RequestClass, Traffic
from inboxbench.traffic.latency import by_class, measure

_HOPS = 8  # requests that wait for requests that wait for the history; longer queues have the same head


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a request waited. lock: a lock was in the way. The rest is as in model.Stall.

    The causes of requests that the same thing held up compare equal.
    """

    lock: bool
    statement: int | None
    relation: str | None = None
    wanted: str | None = None
    held: str | None = None
    queued: bool = False
    behind: str | None = None


class Causes:
    """Finds the cause of each request's wait among the lock waits that were seen and the statements of the history."""

    def __init__(self, traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float) -> None:
        self._ours = frozenset(traffic.pids)
        self._classes = dict(traffic.pids)
        self._pids: dict[str, list[int]] = defaultdict(list)
        for pid, name in traffic.pids.items():
            self._pids[name].append(pid)
        self._waits = waits
        self._statements = sorted(statements, key=_start)
        self._starts = [statement.started_ms for statement in self._statements]
        self._of: dict[int, list[Statement]] = defaultdict(list)
        for statement in self._statements:
            self._of[statement.pid].append(statement)
        self._origin_ms = origin_ms

    def of(self, answer: Answer) -> Cause | None:
        """Return the cause of a request's wait; None when it waited for nobody and nothing of the history ran during
        it.

        A request that no connection was free for waited for what those of its class that had one waited for.
        """
        pids = [answer.pid] if answer.pid is not None else []
        late = answer.sent_ms - answer.due_ms > (answer.finished_ms - answer.due_ms) / 2
        for pid in [*pids, *(self._pids[answer.name] if late else ())]:
            begin = answer.due_ms if late else answer.sent_ms
            if cause := self._lock(pid, begin, answer.finished_ms):
                return cause
        running = self._running(answer.due_ms, answer.finished_ms)
        return Cause(False, running.number) if running else None

    def blocked(self, answer: Answer) -> Iterator[Span]:
        """Yield when a request waited for a lock that somebody outside of the traffic had at that moment, Unix ms.

        Who queues behind a lock that was not granted yet, or behind other requests once it is free, is not among them.
        """
        if answer.pid is None:
            return
        for root, wait in self._outside(answer.pid, answer.sent_ms, answer.finished_ms):
            begin, end = max(wait.since_ms, answer.sent_ms), min(wait.last_ms, answer.finished_ms)
            for first, last in self._held(root):
                if min(end, last) > max(begin, first):
                    yield max(begin, first), min(end, last)

    def _held(self, root: Wait) -> list[Span]:
        """Return when the lock was held; at any time if nobody saw it taken, as that of a row."""
        if root.queued:
            return []
        culprit = self._latest(root)
        transaction = culprit.transaction if culprit else None
        held = [
            (lock.taken_ms + self._origin_ms, lock.taken_ms + lock.held_ms + self._origin_ms)
            for lock in self._locks.get((transaction, root.relation), ())
            if lock.mode == root.held
        ]
        return held or [(-math.inf, math.inf)]

    @cached_property
    def _locks(self) -> dict[tuple[int | None, str | None], list[Lock]]:
        """Return the locks of each transaction on each relation."""
        locks: dict[tuple[int | None, str | None], list[Lock]] = defaultdict(list)
        for statement in self._statements:
            for lock in statement.locks:
                locks[statement.transaction, lock.relation].append(lock)
        return locks

    def _outside(self, pid: int, begin_ms: float, end_ms: float) -> list[tuple[Wait, Wait]]:
        """Return (root, wait) of its waits that lead to somebody who is not of the traffic."""
        return [(root, wait) for wait in self._waits.of(pid, begin_ms, end_ms) if (root := self._root(wait, _HOPS))]

    def _lock(self, pid: int, begin_ms: float, end_ms: float) -> Cause | None:
        """The longest of its waits that leads to somebody who is not of the traffic."""
        waits = self._outside(pid, begin_ms, end_ms)
        if not waits:
            return None
        root, wait = max(waits, key=lambda pair: pair[1].last_ms - pair[1].since_ms)
        return self._cause(root, wait)

    def _root(self, wait: Wait, hops: int) -> Wait | None:
        """Follow requests that wait for requests; None when it ends among the traffic itself."""
        if wait.blocker not in self._ours:
            return wait
        if not hops:
            return None
        onward = (self._root(other, hops - 1) for other in self._waits.of(wait.blocker, wait.since_ms, wait.last_ms))
        return next(filter(None, onward), None)

    def _cause(self, root: Wait, wait: Wait) -> Cause:
        statement = self._culprit(root)
        cause = Cause(True, statement, root.relation or wait.relation, wait.wanted, root.held, root.queued)
        return replace(cause, behind=self._behind(root)) if root.queued else cause

    def _culprit(self, root: Wait) -> int | None:
        """Return the statement that took the lock, else the one that its session was running."""
        if root.kind != "relation" and (writer := self._writer(root)):
            return writer.number
        latest = self._latest(root)
        if latest is None:
            return None
        took = self._takers.get((latest.transaction, root.relation, root.held))
        return took if took is not None and took <= latest.number else latest.number

    def _latest(self, root: Wait) -> Statement | None:
        """Return the statement that the session in the way was running, or had run last."""
        own = self._of[root.blocker]
        begun = bisect_right(own, root.last_ms - self._origin_ms, key=_start)
        return own[begun - 1] if begun else None

    def _writer(self, root: Wait) -> Statement | None:
        """Return the last statement that had written to the relation when the wait for one of its rows began."""
        own = self._of[root.blocker]
        begun = bisect_right(own, root.since_ms - self._origin_ms, key=_start)
        latest = own[begun - 1] if begun else None
        same = takewhile(lambda item: latest is not None and item.transaction == latest.transaction, own[:begun][::-1])
        writers = [item for item in same if modifies(item)]
        return next((item for item in writers if names(item, root.relation)), next(iter(writers), None))

    @cached_property
    def _takers(self) -> dict[tuple[int, str | None, str | None], int]:
        """Return the first statement of each transaction that took a lock, by transaction, relation and mode."""
        locks = ((statement, lock) for statement in reversed(self._statements) for lock in statement.locks)
        return {(statement.transaction, lock.relation, lock.mode): statement.number for statement, lock in locks}

    def _behind(self, root: Wait) -> str | None:
        """Return whom the history itself waits for: a class of the traffic, or somebody who is none of it."""
        for wait in self._waits.of(root.blocker, root.since_ms, root.last_ms):
            if wait.blocker != root.pid:
                return self._classes.get(wait.blocker, f"pid {wait.blocker}")
        return None

    def _running(self, due_ms: float, finished_ms: float) -> Statement | None:
        """Return the statement of the history that filled most of the time."""
        begin, end = due_ms - self._origin_ms, finished_ms - self._origin_ms
        upto = bisect_right(self._starts, end)
        first = max(0, bisect_left(self._starts, begin) - 50)  # those that began before and may still run

        def overlap(statement: Statement) -> float:
            return min(statement.started_ms + statement.duration_ms, end) - max(statement.started_ms, begin)

        best = max(self._statements[first:upto], key=overlap, default=None)
        return best if best is not None and overlap(best) > 0 else None


def _start(statement: Statement) -> float:
    return statement.started_ms


_MOST_PROBLEMS = 20


@dataclass(frozen=True, slots=True)
class _Clock:
    """origin_ms: Unix time of the run's 0."""

    origin_ms: float
    standstills: Standstills


def summarise(
    traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float
) -> tuple[ClassSummary, ...]:
    """Summarise each class that sent anything. origin_ms: Unix time in ms at which the run's own clock began."""
    clock = _Clock(origin_ms, traffic.standstills)
    causes = Causes(traffic, waits, statements, origin_ms)
    cycles = Cycles(traffic, waits, statements, origin_ms)
    return tuple(_summary(item, answers, causes, cycles, clock) for item, answers in by_class(traffic))


def _summary(
    item: RequestClass, answers: Sequence[Answer], causes: Causes, cycles: Cycles, clock: _Clock
) -> ClassSummary:
    latencies = measure(answers, clock.standstills, clock.origin_ms)
    errors = [answer.error for answer in answers if answer.error]
    other = next((answer.error for answer in answers if answer.error and answer.state != DEADLOCK), None)
    explained = [(answer, causes.of(answer)) for answer in answers]
    deadlocks, cycle = cycles.of(item.name, answers)
    held_up = [answer for answer, cause in explained if cause and cause.lock]
    blocked_ms = _union(span for answer in held_up for span in causes.blocked(answer))
    unanswered_ms = _union((answer.due_ms, answer.finished_ms) for answer in held_up)
    return ClassSummary(
        name=item.name,
        kind=item.kind,
        requests=len(answers),
        p50_ms=latencies.p50_ms,
        p99_ms=latencies.p99_ms,
        max_stall_ms=latencies.max_stall_ms,
        still_ms=latencies.still_ms,
        max_wait_ms=latencies.max_wait_ms,
        longest_at_ms=latencies.longest_at_ms,
        blocked_ms=blocked_ms,
        queued_ms=max(unanswered_ms - blocked_ms, 0.0),
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
    problems: dict[tuple[str | None, str], Problem] = {}
    for answer in answers:
        if answer.error:
            said = (answer.state, answer.error)
            before = problems.get(said, Problem(*said, 0, answer.finished_ms - origin_ms))
            problems[said] = replace(before, requests=before.requests + 1)
    return problems.values()


def _union(spans: Iterable[Span]) -> float:
    """Return the time covered by any of the spans.

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
