"""Which statement of a transaction took which lock, from when to when; what each lock mode keeps from whom."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from inboxbench.dryrun.model import MODES, Lock, LockMode, Seen
from inboxbench.dryrun.observe.catalog_view import View, kind_name
from inboxbench.dryrun.observe.log_statements import Draft, Segment
from inboxbench.dryrun.observe.sampler import Relation
from inboxbench.dryrun.observe.samples import LockSpan, Samples

# Weakest first, as the manual's chapter "Explicit Locking" lists them; the digits are the modes that conflict.
_CONFLICTS: dict[str, str] = {
    "ACCESS SHARE": "7",
    "ROW SHARE": "67",
    "ROW EXCLUSIVE": "4567",
    "SHARE UPDATE EXCLUSIVE": "34567",
    "SHARE": "23567",
    "SHARE ROW EXCLUSIVE": "234567",
    "EXCLUSIVE": "1234567",
    "ACCESS EXCLUSIVE": "01234567",
}
# As pg_locks and deadlocks write them: ShareUpdateExclusiveLock.
SYSTEM_NAMES: dict[str, LockMode] = {mode.title().replace(" ", "") + "Lock": mode for mode in MODES}


def in_words(mode: str) -> str:
    """As SQL spells it.

    >>> in_words("ShareUpdateExclusiveLock")
    'SHARE UPDATE EXCLUSIVE'
    """
    return SYSTEM_NAMES.get(mode, mode)


def rank(mode: LockMode) -> int:
    """Return its place among the eight, 0 for the weakest."""
    return MODES.index(mode)


def conflict(wanted: str, held: str) -> bool:
    """Return whether a session that wants the one mode waits for a session that has the other.

    >>> conflict("ROW EXCLUSIVE", "SHARE"), conflict("ACCESS SHARE", "SHARE")
    (True, False)
    """
    return held in {MODES[int(digit)] for digit in _CONFLICTS.get(wanted, "")}


def strongest(modes: Iterable[str]) -> str | None:
    """Return None for none, or for modes that relations do not have."""
    given = set(modes)
    return next((mode for mode in reversed(MODES) if mode in given), None)


LATE_MS = 1.0  # the log's clock has whole milliseconds


@dataclass(frozen=True, slots=True)
class _Grab:
    """A lock with its witness; first and last by the poll, where it saw it."""

    oid: int
    mode: LockMode
    seen: Seen
    first: float | None = None
    last: float | None = None


class LockAttribution:
    """The locks of one transaction, each given to the statement that took it first.

    A history in one transaction is hundreds of statements and a thousand locks: both are searched by time.
    """

    def __init__(self, segment: Segment, samples: Samples, view: View) -> None:
        self._segment, self._view = segment, view
        pid, numbers = segment.pid, segment.numbers
        self._mine = samples.of_transactions(pid, numbers) if numbers else samples.of(pid)
        self._known: dict[int, int] = {}
        self._starts = [draft.started for draft in segment.statements]
        self._ends = list(accumulate(segment.ends(), max))
        self._end = dict(zip(map(id, segment.statements), self._ends, strict=True))
        self._naming: dict[str, list[Draft]] | None = None
        self._seen: dict[int, list[LockSpan]] = defaultdict(list)
        for span in self._mine:
            for draft in self._possible(span):
                self._seen[id(draft)].append(span)

    def seen(self, draft: Draft) -> list[LockSpan]:
        """Locks that the poll first saw between this statement's beginning and the next one's."""
        return self._seen[id(draft)]

    def _possible(self, span: LockSpan) -> Sequence[Draft]:
        """Return the statements that it may be of."""
        first = bisect_left(self._ends, span.first - LATE_MS)
        return self._segment.statements[first : bisect_right(self._starts, span.by + LATE_MS)]

    def _may_be_of(self, draft: Draft, span: LockSpan) -> bool:
        return span.by >= draft.started - LATE_MS and span.first <= self._end[id(draft)] + LATE_MS

    def taken(self, rewritten: dict[int, frozenset[str]]) -> dict[int, list[Lock]]:
        """Return the locks by id() of the draft, their moments in Unix ms.

        rewritten: relations with a new file, which takes ACCESS EXCLUSIVE however short.
        """
        grabs = {id(draft): list(self._grabs(draft)) for draft in self._segment.statements}
        self._hand_back(grabs)
        takers = self._takers(grabs)
        claims = {id(span): self._claimant(span) for span in self._mine if span.lock.granted}
        claimed: dict[int, list[LockSpan]] = defaultdict(list)
        for span in self._mine:
            if claimant := claims.get(id(span)):
                claimed[id(claimant)].append(span)
        for draft in self._segment.statements:
            free = (span for span in self.seen(draft) if not claims.get(id(span)) and not self._passing(draft, span))
            grabs[id(draft)] += self._polled(draft, [*claimed[id(draft)], *free], takers)
        for draft in self._segment.statements:
            grabs[id(draft)] += self._of_files(rewritten.get(id(draft), frozenset()))
        return {id(draft): self._strongest(draft, grabs[id(draft)]) for draft in self._segment.statements}

    def _grabs(self, draft: Draft) -> Iterator[_Grab]:
        for event in draft.events:
            if event.event != "ddl_command_start":
                yield from _logged(event.locks)
        for plan in (*draft.plans, *draft.within):
            for name, mode in plan.locks:
                oid = self._view.by_name(name)
                if oid is not None:
                    yield _Grab(oid, SYSTEM_NAMES[mode], "plan")

    def _takers(self, grabs: dict[int, list[_Grab]]) -> dict[int, list[tuple[Draft, LockMode]]]:
        """Return who is known, without the poll, to have locked what; by OID."""
        takers: dict[int, list[tuple[Draft, LockMode]]] = defaultdict(list)
        for draft in self._segment.statements:
            for grab in grabs[id(draft)]:
                takers[grab.oid].append((draft, grab.mode))
        return takers

    def _polled(
        self, draft: Draft, mine: Iterable[LockSpan], takers: dict[int, list[tuple[Draft, LockMode]]]
    ) -> Iterator[_Grab]:
        """Yield what the poll saw of it, unless a neighbour within the same look is known to have taken that lock."""
        for span in mine:
            if not span.lock.granted:
                continue
            mode = SYSTEM_NAMES[span.lock.mode]
            known = [taker for taker, taken in takers.get(span.lock.relation, ()) if rank(taken) >= rank(mode)]
            if any(taker is draft for taker in known) or not any(self._may_be_of(taker, span) for taker in known):
                yield _Grab(span.lock.relation, mode, "poll", span.first, span.last)

    def _passing(self, draft: Draft, span: LockSpan) -> bool:
        """A session that commits has no number any more and its locks for a moment still: they are not the next
        transaction's. VACUUM and CONCURRENTLY keep some between their own.
        """
        return bool(self._segment.numbers) and not span.lock.transaction and not self._several(draft)

    def _several(self, draft: Draft) -> bool:
        """Return whether it commits inside: its locks do not wait for the end of a transaction."""
        inside = len(draft.committed) > 1 or any(command.commits_inside for command in draft.parsed.commands)
        return self._segment.alone and inside

    def _claimant(self, span: LockSpan) -> Draft | None:
        """Of a strong lock: the first command that names the relation, for no SELECT or UPDATE takes one.

        What has neither events nor a plan, such as LOCK, may be long over: on a busy machine the look comes late.
        """
        relation = self._view.relation(span.lock.relation)
        strong = rank(SYSTEM_NAMES[span.lock.mode]) > rank("ROW EXCLUSIVE")
        if relation is None or not strong or span.first > self._segment.finished + LATE_MS:
            return None
        begun = (draft for draft in self._namers(relation) if draft.started - LATE_MS <= span.by)
        return next((draft for draft in begun if not draft.events or self._may_be_of(draft, span)), None)

    def _namers(self, relation: Relation) -> list[Draft]:
        """Commands, not queries, in whose text its name stands; each text is read once for all relations."""
        if self._naming is None:
            seen = {self._view.relation(span.lock.relation) for span in self._mine}
            names = {other.name for other in seen if other is not None}
            self._naming = {name: [] for name in names}
            for draft in self._segment.statements:
                for name in () if draft.plans else names & draft.parsed.words:
                    self._naming[name].append(draft)
        return self._naming[relation.name]

    def _of_files(self, names: frozenset[str]) -> Iterator[_Grab]:
        for name in names:
            oid = self._view.by_name(name)
            if oid is not None:
                yield _Grab(oid, "ACCESS EXCLUSIVE", "file node")

    def _hand_back(self, grabs: dict[int, list[_Grab]]) -> None:
        """What a command found already locked when it began, an earlier statement without events had taken."""
        before: Draft | None = None
        for draft in self._segment.statements:
            first = next((event for event in draft.events if event.event == "ddl_command_start"), None)
            if first is not None and before is not None and not before.events:
                grabs[id(before)] += _logged(first.locks)
            before = draft

    def _strongest(self, draft: Draft, grabs: list[_Grab]) -> list[Lock]:
        best: dict[int, _Grab] = {}
        for grab in grabs:
            if grab.oid not in best or rank(grab.mode) > rank(best[grab.oid].mode):
                best[grab.oid] = grab
        fresh = [grab for grab in best.values() if rank(grab.mode) > self._known.get(grab.oid, -1)]
        several = self._several(draft)
        for grab in fresh:
            self._known[grab.oid] = rank(grab.mode)
        locks = (self._taken(draft, grab, grabs, several=several) for grab in fresh)
        return _by_relation(lock for lock in locks if lock is not None)

    def _taken(self, draft: Draft, grab: _Grab, grabs: list[_Grab], *, several: bool) -> Lock | None:
        relation = self._view.relation(grab.oid)
        if relation is None:
            return None
        waited = self._waited(draft, grab.oid)
        same = [other for other in grabs if (other.oid, other.mode) == (grab.oid, grab.mode)]
        polled = [(other.first, other.last) for other in same if other.first is not None and other.last is not None]
        taken, released = draft.started + waited, self._segment.finished
        if several and polled:
            taken = max(min(first for first, _ in polled), draft.started)
            released = min(max(last for _, last in polled), draft.finished)
        created, covered = not self._view.existed(grab.oid), self._covered(relation, grab.mode)
        held = max(released - taken, 0.0)
        return Lock(relation.full_name, kind_name(relation), grab.mode, taken, held, waited, grab.seen, created,
                    covered=covered)  # fmt: skip

    def _covered(self, relation: Relation, mode: LockMode) -> bool:
        """Return whether the lock on what it belongs to keeps the same people out by now."""
        owner = self._known.get(relation.table, -1) if relation.table else -1
        return owner >= rank("ACCESS EXCLUSIVE" if mode == "ACCESS EXCLUSIVE" else "SHARE")

    def _waited(self, draft: Draft, oid: int) -> float:
        """As the server says; shorter waits as the poll saw them."""
        logged = [length for relation, length in draft.waits if relation == oid]
        polled = [span.length for span in self.seen(draft) if span.lock.relation == oid and not span.lock.granted]
        return min(max(logged + polled, default=0.0), draft.finished - draft.started)


def _by_relation(locks: Iterable[Lock]) -> list[Lock]:
    """One a relation: what is built again under a new OID keeps its name, and was there before."""
    best: dict[str, Lock] = {}
    for lock in locks:
        other = best.get(lock.relation)
        if other is None or (other.created and not lock.created) or rank(lock.mode) > rank(other.mode):
            best[lock.relation] = lock
    return [best[name] for name in sorted(best)]


def _logged(rows: tuple[tuple[object, ...], ...]) -> list[_Grab]:
    grabs = []
    for row in rows:
        oid, modes = row[0], row[5]
        assert isinstance(oid, int)
        assert isinstance(modes, list)
        ranked = [SYSTEM_NAMES[mode] for mode in modes if mode in SYSTEM_NAMES]
        if ranked:
            grabs.append(_Grab(oid, max(ranked, key=rank), "event trigger"))
    return grabs
