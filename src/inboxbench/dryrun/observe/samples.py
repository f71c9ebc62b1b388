"""What the poll says of one session: when each lock was first and last seen, and what a moment's WAL and disk were."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from inboxbench.dryrun.observe.sampler import Catalogue, LockRow, Poll, Sample


@dataclass(slots=True)
class LockSpan:
    """A row of pg_locks from its first look, which was over `by`, to its last. Unix ms."""

    lock: LockRow
    first: float
    by: float
    last: float

    @property
    def length(self) -> float:
        return self.last - self.first


@dataclass(slots=True)
class Samples:
    """The poll, by session and by moment."""

    poll: Poll
    _by_pid: dict[int, list[LockSpan]] = field(default_factory=dict)
    _moments: list[float] = field(default_factory=list)
    _numbered: dict[int, list[LockSpan]] = field(default_factory=dict)

    def of(self, pid: int) -> list[LockSpan]:
        """By first look."""
        if not self._moments:
            self._moments = [sample.at for sample in self.poll.samples]
            self._by_pid = _follow(self.poll.samples)
        return self._by_pid.get(pid, [])

    def of_transactions(self, pid: int, numbers: range) -> list[LockSpan]:
        """Return those of these virtual transactions, and those that have none: locks between two of one command."""
        if pid not in self._numbered:
            self._numbered[pid] = sorted(self.of(pid), key=lambda span: span.lock.transaction)
        mine = self._numbered[pid]
        none, begin, end = (bisect_left(mine, at, key=_number) for at in (1, numbers.start, numbers.stop))
        return sorted([*mine[:none], *mine[max(begin, none) : end]], key=lambda span: span.first)

    def wal_between(self, begin: float, end: float) -> int:
        """Bytes of WAL from the last look before `begin` to the first after `end`: whoever wrote them."""
        self.of(0)
        samples, last = self.poll.samples, len(self.poll.samples) - 1
        if last < 0:
            return 0
        before = max(bisect_right(self._moments, begin) - 1, 0)
        after = min(bisect_right(self._moments, end), last)
        return samples[after].wal - samples[before].wal

    def peak_between(self, begin: float, end: float) -> int:
        """Return how far the database grew beyond its size at `begin`, in bytes."""
        sizes = self.poll.sizes
        if not sizes:
            return 0
        at = max(bisect_right(sizes, begin, key=_moment) - 1, 0)
        within = sizes[at : bisect_right(sizes, end, key=_moment)]
        return max((octets for _, octets in within), default=sizes[at][1]) - sizes[at][1]

    def catalogue_before(self, at: float) -> Catalogue:
        place = bisect_right(self.poll.catalogues, at, key=lambda catalogue: catalogue.at)
        return self.poll.catalogues[max(place - 1, 0)]

    def catalogue_after(self, at: float) -> Catalogue:
        """Return the first committed state seen after `at`, or the last there is."""
        place = bisect_right(self.poll.catalogues, at, key=lambda catalogue: catalogue.at)
        return self.poll.catalogues[min(place, len(self.poll.catalogues) - 1)]


def _moment(size: tuple[float, int]) -> float:
    return size[0]


def _number(span: LockSpan) -> int:
    return span.lock.transaction


def _follow(samples: list[Sample]) -> dict[int, list[LockSpan]]:
    spans: dict[int, list[LockSpan]] = defaultdict(list)
    standing: dict[LockRow, LockSpan] = {}
    before: frozenset[LockRow] = frozenset()
    seen = 0.0  # when the latest look was
    for sample in samples:
        if sample.locks is not before:
            for lock in before - sample.locks:
                standing.pop(lock).last = sample.at  # at most one look too late
            for lock in sample.locks - before:
                standing[lock] = LockSpan(lock, sample.at, sample.by, sample.at)
                spans[lock.pid].append(standing[lock])
            before = sample.locks
        seen = sample.at
    for span in standing.values():
        span.last = seen
    return dict(spans)
