"""Searches the set: greedy by gain, then extension and exchange of single indexes, then removal of what nothing misses.

The gain of a candidate is what a request of the mix costs less with it, measured on the copy. A candidate is built
again only while its last gain could still be the largest: gains shrink as others are taken.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from inboxbench import units
from inboxbench.advise.copy import WorkCopy
from inboxbench.advise.model import Candidate, Need, Trial
from inboxbench.advise.objective import Objective
from inboxbench.workload.columns import spelled

# Shares of what a request costs: less than LEAST is no reason for an index, unless a query gets twice as cheap by it.
LEAST = 0.005
LEAST_OF_ONE = 0.0005
_NOTHING = 0.0005  # of a request's cost: no difference
_NEAR = 0.95  # gains as close as this count as the same: then size decides
_LEANER = 0.95  # of the bytes of a set: so much less is worth what an index may be missed by
_AT_ONCE = 12  # indexes of one table that are there at once when plans alone are looked at
_ALTERNATIVES = 10  # tried in the place of one chosen index
_MOST_KEYS = 5
_PAGE = 8192

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of all secondary indexes together, WAL of a mean write in bytes, seconds; None: as much as it takes."""

    bytes: int | None = None
    wal: float | None = None
    seconds: float | None = None


class OutOfTimeError(Exception):
    """The time budget is spent; the best set so far stands."""


@dataclass(slots=True)
class Search:
    """One search. kept: candidates that stay whatever they cost; refused: why each candidate was not taken, by name."""

    copy: WorkCopy
    objective: Objective
    candidates: Sequence[Candidate]
    needs: Mapping[str, Sequence[Need]]
    limits: Limits
    kept: tuple[Candidate, ...] = ()
    progress: Progress | None = None
    refused: dict[str, str] = field(default_factory=dict)
    gains: dict[str, float] = field(default_factory=dict)
    _best: Trial | None = None
    _begun: float = field(default_factory=time.monotonic)
    _done: int = 0
    _start: float = 0.0

    @property
    def best(self) -> Trial:
        """Return the best set so far. The search has begun."""
        assert self._best is not None
        return self._best

    def begin(self) -> None:
        """Measure the cases without any secondary index but those that are kept."""
        self._best = self.copy.tried(self.kept)
        self._start = self.objective.cost(self._best)

    def run(self) -> None:
        """Search until nothing gains any more. Raises OutOfTimeError; `best` stands whenever it is left."""
        self._grow()
        for _ in range(2):
            if not self._exchange():
                break
        self.remove()

    def stand(self, trial: Trial) -> None:
        """Let a set be the best one."""
        self._best = trial

    def consider(self, trial: Trial, *, bounded: bool = True) -> bool:
        """Let a set be the best one if it costs less than what was found. bounded: and if it keeps the budgets."""
        better = self.objective.cost(trial) < self.objective.cost(self.best) and (self.fits(trial) or not bounded)
        if better:
            self._best = trial
            for candidate in trial.candidates:
                self.refused.pop(candidate.name, None)
        return better

    def _tried(self, chosen: Sequence[Candidate], what: str, left: int) -> Trial:
        self._step(what, left)
        return self.copy.tried(chosen, self.best)

    def _step(self, what: str, left: int) -> None:
        """Show what comes next. Raises OutOfTimeError."""
        seconds = time.monotonic() - self._begun
        if self.limits.seconds is not None and seconds > self.limits.seconds:
            raise OutOfTimeError
        if self.progress:
            self.progress(self._done, self._done + left, f"{what}; {self._standing(seconds, left)}")
        self._done += 1

    def _standing(self, seconds: float, left: int) -> str:
        rate = self._done / seconds if seconds > 1 else 0.0
        eta = f", {units.seconds(left / rate)} left at most" if rate else ""
        cost = self.objective.cost(self.best)
        saved = f" (−{1 - cost / self._start:.0%})" if self._start else ""
        return (
            f"{rate:.1f} sets/s{eta}; best {units.number(cost)} pages{saved} with {len(self.best.candidates)} indexes, "
            f"{units.size(self.best.bytes)}"
        )

    def _grow(self) -> None:
        """Take the candidate that gains most, again and again."""
        others = self._sieved([candidate for candidate in self.candidates if candidate not in self.best.candidates])
        # The largest gain that is possible, then the place; and whether it was measured, or is a bound.
        heap = [(-self._bound(candidate)[0], place, False) for place, candidate in enumerate(others)]
        heapq.heapify(heap)
        fresh: list[tuple[float, int]] = []
        while heap or fresh:
            top = max((gain for gain, _place in fresh), default=0.0)
            if heap and (not fresh or -heap[0][0] > top):
                priority, place, measured = heapq.heappop(heap)
                bound, enough = self._bound(others[place])
                if not enough and not measured:
                    self._refuse(others[place], bound)
                elif not measured and bound < -priority:
                    heapq.heappush(heap, (-bound, place, False))
                elif (gain := self._gain(others[place], len(heap))) > 0:
                    fresh.append((gain, place))
            elif fresh:
                chosen = self._smallest([others[place] for gain, place in fresh if gain >= _NEAR * top])
                self._take(chosen)
                heap += [(-gain, place, True) for gain, place in fresh if others[place] is not chosen]
                heapq.heapify(heap)
                fresh = []

    def _sieved(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the candidates that some plan uses when many of their table are there at once: each is built once and
        nothing is executed. What the database has, and what statements that change rows ask for, is left in: that costs
        nothing to build, and the plans of these do not say all."""
        writing = {case.query.name for case in self.copy.cases if case.query.changes_rows}
        left = [candidate for candidate in candidates if candidate.existing or writing & set(candidate.asked_by)]
        rest = sorted((other for other in candidates if other not in left), key=lambda other: (other.table, other.keys))
        for table, group in groupby(rest, key=lambda candidate: candidate.table):
            several = list(group)
            for place in range(0, len(several), _AT_ONCE):
                batch = several[place : place + _AT_ONCE]
                self._step(f"plans with {len(batch)} indexes of {table} at once", len(rest) - place)
                used = self.copy.planned(batch, self.best)
                left += [candidate for candidate in batch if candidate.name in used]
                unused = (candidate.name for candidate in batch if candidate.name not in used)
                self.refused |= dict.fromkeys(unused, "no plan uses it where others of its table are there")
        return left

    def _bound(self, candidate: Candidate) -> tuple[float, bool]:
        """Return the priority that a candidate can have at most, for all that the queries cost which ask for it or read
        its table, and whether that would be enough for an index."""
        weighed = self.objective.weighed(self.best)
        asking: Iterable[str] = candidate.asked_by
        if not asking:
            asking = [name for name, needs in self.needs.items() if self._touches(candidate, needs)]
        most = sum(weighed.get(name, 0.0) for name in asking)
        enough = most >= LEAST_OF_ONE * self.objective.cost(self.best)
        return self._priority(most, self._estimate(candidate)), enough

    def _touches(self, candidate: Candidate, needs: Iterable[Need]) -> bool:
        tables = (self.copy.facts.table(spelled(need.relation)) for need in needs)
        return any(table is not None and table.name == candidate.table for table in tables)

    def _estimate(self, candidate: Candidate) -> float:
        table = self.copy.facts.table(candidate.table)
        return (table.rows * candidate.width if table else 0) / 2

    def _priority(self, gain: float, size: float) -> float:
        """Return the gain; of a byte, where bytes are short."""
        return gain / max(size, _PAGE) if self.limits.bytes is not None else gain

    def _gain(self, candidate: Candidate, left: int) -> float:
        """Build a candidate beside the best set; return its priority, 0 where it is not to be taken."""
        trial = self._tried((*self.best.candidates, candidate), candidate.name, left)
        if problem := trial.refused.get(candidate.name):
            self.refused[candidate.name] = f"cannot be built: {problem}"
            return 0.0
        gain = self.objective.cost(self.best) - self.objective.cost(trial)
        self.gains[candidate.name] = max(gain, self.gains.get(candidate.name, 0.0))
        if why := self._lack(trial, gain):
            self.refused[candidate.name] = why
            return 0.0
        return self._priority(gain, trial.sizes[candidate.name])

    def _lack(self, trial: Trial, gain: float) -> str | None:
        """Return why a set does not take the place of the best one; None when it does."""
        if self.limits.bytes is not None and trial.bytes > self.limits.bytes:
            return f"does not fit: {units.size(trial.bytes)} with it, {units.size(self.limits.bytes)} are allowed"
        wal = self.objective.wal(trial)
        if self.limits.wal is not None and wal is not None and wal > self.limits.wal:
            return (
                f"writes too much: {units.size(wal)} of WAL a write with it, {units.size(self.limits.wal)} are allowed"
            )
        share = gain / self.objective.cost(self.best)
        if share >= LEAST or (share >= LEAST_OF_ONE and self._halves(trial)):
            return None
        if not any(trial.outcomes[name] is not found for name, found in self.best.outcomes.items()):
            return "no plan uses it"
        return _too_little(share)

    def _halves(self, trial: Trial) -> bool:
        before, now = self.objective.by_query(self.best), self.objective.by_query(trial)
        return any(2 * now[name] <= before[name] for name in before)

    def _smallest(self, candidates: Sequence[Candidate]) -> Candidate:
        return min(candidates, key=lambda candidate: (self._size_of(candidate), candidate.name))

    def _size_of(self, candidate: Candidate) -> int:
        return self.copy.tried((*self.best.candidates, candidate), self.best).sizes[candidate.name]

    def _take(self, candidate: Candidate) -> None:
        self._best = self.copy.tried((*self.best.candidates, candidate), self.best)
        self.refused.pop(candidate.name, None)

    def _refuse(self, candidate: Candidate, bound: float) -> None:
        why = "it can gain too little for its bytes"
        if self.limits.bytes is None:
            why = f"what asks for it is {bound / self.objective.cost(self.best):.2%} of a request's cost"
        self.refused.setdefault(candidate.name, f"not built: {why}")

    def _exchange(self) -> bool:
        """Try others in the place of each chosen index: longer, shorter, covering, and those that had gained as well.

        Returns whether any took its place.
        """
        better = False
        chosen = [candidate for candidate in self.best.candidates if candidate not in self.kept]
        for candidate in chosen:
            others = self._alternatives(candidate)
            for place, other in enumerate(others):
                if candidate not in self.best.candidates:
                    break
                rest = self.best.without(candidate)
                trial = self._tried((*rest, other), f"{other.name} for {candidate.name}", len(others) - place)
                if other.name not in trial.refused and self._is_better(trial):
                    self.refused[candidate.name] = f"{other.name} does more in its place"
                    self.refused.pop(other.name, None)
                    self._best, better = trial, True
                elif other.name not in trial.refused:
                    self.refused.setdefault(other.name, f"no better than {candidate.name} in its place")
        return better

    def _is_better(self, trial: Trial) -> bool:
        """Return whether a set costs clearly less, or as much in clearly fewer bytes, within the budgets."""
        before, now = self.objective.cost(self.best), self.objective.cost(trial)
        leaner = now - before <= self._bearable(trial) and trial.bytes < _LEANER * self.best.bytes
        return self.fits(trial) and (now <= before * (1 - LEAST) or leaner)

    def fits(self, trial: Trial) -> bool:
        """Return whether a set keeps the budgets."""
        wal = self.objective.wal(trial)
        too_large = self.limits.bytes is not None and trial.bytes > self.limits.bytes
        return not too_large and not (self.limits.wal is not None and wal is not None and wal > self.limits.wal)

    def _alternatives(self, candidate: Candidate) -> list[Candidate]:
        """Return what may take an index's place: others of its table by their gain, those that are limited to fewer
        rows, and extensions by a column."""
        others = [
            other
            for other in self.candidates
            if other.table == candidate.table and other not in self.best.candidates and other is not candidate
        ]
        gaining = sorted(
            (other for other in others if self.gains.get(other.name, 0) > 0), key=lambda other: -self.gains[other.name]
        )
        asking = set(candidate.asked_by)
        limited = [other for other in others if other.where and asking & set(other.asked_by) and other not in gaining]
        limited.sort(key=lambda other: (-len(asking & set(other.asked_by)), other.width, other.name))
        extended = [other for other in self._extended(candidate) if other not in others]
        part = _ALTERNATIVES // 3
        return [*gaining[:part], *limited[: part - bool(candidate.where)], *extended][:_ALTERNATIVES]

    def _extended(self, candidate: Candidate) -> list[Candidate]:
        """Return the index with one more key, of those that its queries use, with the last key less, and covering."""
        if candidate.method != "btree" or (candidate.existing and candidate.keys[0] == candidate.existing.definition):
            return []
        base = replace(candidate, existing=None, label="")
        columns: dict[str, None] = {}
        for need in (need for name in candidate.asked_by for need in self.needs.get(name, ())):
            table = self.copy.facts.table(spelled(need.relation))
            if table is not None and table.name == candidate.table:
                columns |= dict.fromkeys(condition.expression for condition in need.of("equal", "join", "range"))
        found = []
        for column in columns:
            table = self.copy.facts.table(candidate.table)
            facts = table.column(column) if table else None
            if facts and facts.sortable and column not in candidate.keys and len(candidate.keys) < _MOST_KEYS:
                kept = tuple(name for name in base.include if name != column)
                found.append(replace(base, keys=(*base.keys, column), include=kept, reason=f"{base.reason}, extended"))
        if len(candidate.keys) > 1:
            found.append(replace(base, keys=base.keys[:-1], reason=f"{base.reason}, shortened"))
        if candidate.include:
            found.append(replace(base, include=(), reason=f"{base.reason}, keys alone"))
        return found

    def remove(self) -> None:
        """Take away, one after the other, what is missed by less than an index has to gain."""
        while True:
            losses = []
            chosen = [candidate for candidate in self.best.candidates if candidate not in self.kept]
            for place, candidate in enumerate(chosen):
                trial = self._tried(self.best.without(candidate), f"without {candidate.name}", len(chosen) - place)
                loss = self.objective.cost(trial) - self.objective.cost(self.best)
                if loss <= self._bearable(trial):
                    losses.append((loss, candidate.name, trial))
            if not losses:
                return
            loss, name, trial = min(losses, key=lambda entry: (entry[0], entry[1]))
            share = loss / self.objective.cost(self.best)
            more = f"costs {share:.2%} more" if share >= _NOTHING else "costs no more"
            self.refused[name] = f"the others do without it: a request {more}"
            self._best = trial

    def _bearable(self, trial: Trial) -> float:
        before, now = self.objective.by_query(self.best), self.objective.by_query(trial)
        doubled = any(now[name] >= 2 * before[name] for name in before)
        return (LEAST_OF_ONE if doubled else LEAST) * self.objective.cost(self.best)


def _too_little(share: float) -> str:
    """Say what an index gains, a share of what a request costs, that is not enough for it."""
    if abs(share) < _NOTHING:
        return "the plans that use it cost as much"
    if share < 0:
        return f"a request costs {-share:.1%} more with it"
    return f"gains {share:.2%} of what a request costs, too little for an index"
