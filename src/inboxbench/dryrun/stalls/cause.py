"""From a request that waited to the statement of the chain, and the lock, that it waited for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

from inboxbench.dryrun.model import Lock, Statement
from inboxbench.dryrun.stalls.lock_waits import Wait, Waits
from inboxbench.traffic.engine import Answer, Traffic

_HOPS = 8  # requests that wait for requests that wait for the chain; longer queues have the same head


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
    """Finds the cause of each request's wait among the lock waits that were seen and the statements of the chain."""

    def __init__(self, traffic: Traffic, waits: Waits, statements: Sequence[Statement], origin_ms: float) -> None:
        self._ours = frozenset(traffic.pids)
        self._classes = dict(traffic.pids)
        self._pids: dict[str, list[int]] = defaultdict(list)
        for pid, name in traffic.pids.items():
            self._pids[name].append(pid)
        self._waits: dict[int, list[Wait]] = defaultdict(list)
        for wait in waits.seen:
            self._waits[wait.pid].append(wait)
        self._statements = sorted(statements, key=_start)
        self._starts = [statement.started_ms for statement in self._statements]
        self._of: dict[int, list[Statement]] = defaultdict(list)
        for statement in self._statements:
            self._of[statement.pid].append(statement)
        self._origin_ms = origin_ms

    def of(self, answer: Answer) -> Cause | None:
        """The cause of a request's wait; None when it waited for nobody and nothing of the chain ran during it.

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

    def _lock(self, pid: int, begin_ms: float, end_ms: float) -> Cause | None:
        """The longest of its waits that leads to somebody who is not of the traffic."""
        waits = [(root, wait) for wait in self._overlapping(pid, begin_ms, end_ms) if (root := self._root(wait, _HOPS))]
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
        onward = (self._root(other, hops - 1) for other in self._overlapping(wait.blocker, wait.since_ms, wait.last_ms))
        return next(filter(None, onward), None)

    def _overlapping(self, pid: int, begin_ms: float, end_ms: float) -> Iterator[Wait]:
        return (wait for wait in self._waits[pid] if wait.since_ms <= end_ms and wait.last_ms >= begin_ms)

    def _cause(self, root: Wait, wait: Wait) -> Cause:
        statement = self._culprit(root)
        cause = Cause(True, statement, root.relation or wait.relation, wait.wanted, root.held, root.queued)
        return replace(cause, behind=self._behind(root)) if root.queued else cause

    def _culprit(self, root: Wait) -> int | None:
        """The statement that took the lock, else the one that its session was running."""
        own = self._of[root.blocker]
        begun = bisect_right(own, root.last_ms - self._origin_ms, key=_start)
        if not begun:
            return None
        latest = own[begun - 1]
        same = takewhile(
            lambda statement: statement.transaction == latest.transaction,
            (own[place] for place in range(begun - 1, -1, -1)),
        )
        took = [statement.number for statement in same if any(_took(lock, root) for lock in statement.locks)]
        return took[-1] if took else latest.number

    def _behind(self, root: Wait) -> str | None:
        """Whom the chain itself waits for: a class of the traffic, or somebody who is none of it."""
        for wait in self._overlapping(root.blocker, root.since_ms, root.last_ms):
            if wait.blocker != root.pid:
                return self._classes.get(wait.blocker, f"pid {wait.blocker}")
        return None

    def _running(self, due_ms: float, finished_ms: float) -> Statement | None:
        """The statement of the chain that filled most of the time."""
        begin, end = due_ms - self._origin_ms, finished_ms - self._origin_ms
        upto = bisect_right(self._starts, end)
        first = max(0, bisect_left(self._starts, begin) - 50)  # those that began before and may still run

        def overlap(statement: Statement) -> float:
            return min(statement.started_ms + statement.duration_ms, end) - max(statement.started_ms, begin)

        best = max(self._statements[first:upto], key=overlap, default=None)
        return best if best is not None and overlap(best) > 0 else None


def _start(statement: Statement) -> float:
    return statement.started_ms


def _took(lock: Lock, root: Wait) -> bool:
    return lock.relation == root.relation and lock.mode == root.held
