"""From drafts and the poll to statements and transactions, with locks, rewrites, scans, WAL, disk and dead rows."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from inboxbench.dryrun.model import Lock, Rewrite, Scan, Statement, Transaction
from inboxbench.dryrun.observe import plans
from inboxbench.dryrun.observe.catalog_view import View, named
from inboxbench.dryrun.observe.lock_attribution import LATE_MS, Holding, Taken
from inboxbench.dryrun.observe.log_statements import Draft, bare
from inboxbench.dryrun.observe.sampler import Poll
from inboxbench.dryrun.observe.samples import Sightings
from inboxbench.dryrun.observe.transactions import Stretch, stretches

# Utility commands without event triggers (or, before 17, without them): what they did shows in the catalogue.
_SILENT = re.compile(r"(VACUUM|CLUSTER|REINDEX|TRUNCATE|ANALYZE)\b", re.IGNORECASE)
_LATER = re.compile(r"\bCONCURRENTLY\b", re.IGNORECASE)  # what it does last, no event shows
_READS_ALL = re.compile(r"(VACUUM\b[^;]*\bFULL|CLUSTER|REINDEX)\b", re.IGNORECASE)


def assemble(
    drafts: Iterable[Draft], poll: Poll, epoch_ms: float
) -> tuple[tuple[Statement, ...], tuple[Transaction, ...]]:
    """Numbered by their beginning. epoch_ms: the Unix ms that is the run's 0."""
    if not poll.catalogues:
        return (), ()
    sightings = Sightings(poll)
    view = View(sightings.poll.catalogues)
    statements: list[Statement] = []
    transactions: list[Transaction] = []
    for stretch in stretches(list(drafts), sightings):
        if not stretch.statements:
            continue
        number = len(transactions) + 1
        statements += _Work(stretch, sightings, view, number, epoch_ms).statements()
        transactions.append(
            Transaction(number, stretch.pid, stretch.started - epoch_ms, stretch.finished - epoch_ms, stretch.outcome)
        )
    numbered = tuple(_numbered(sorted(statements, key=lambda statement: statement.started_ms)))
    return tuple(_through(numbered)), tuple(transactions)


def _numbered(statements: list[Statement]) -> Iterator[Statement]:
    for number, statement in enumerate(statements, start=1):
        yield replace(statement, number=number)


def _through(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Each lock with the last statement that ran while it was held."""
    begun: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for one in statements:
        begun[one.transaction].append((one.started_ms, one.number))
    for one in statements:
        mine = begun[one.transaction]
        ends = [bisect_left(mine, (lock.taken_ms + lock.held_ms, 0)) - 1 for lock in one.locks]
        locks = zip(one.locks, ends, strict=True)
        yield replace(one, locks=tuple(replace(lock, through=max(mine[at][1], one.number)) for lock, at in locks))


def _start(draft: Draft) -> float:
    return draft.started


class _Work:
    """The statements of one transaction."""

    def __init__(self, stretch: Stretch, sightings: Sightings, view: View, number: int, epoch_ms: float) -> None:
        self._stretch, self._sightings, self._view = stretch, sightings, view
        self._number, self._epoch = number, epoch_ms
        self._holding = Holding(stretch, sightings, view)

    def statements(self) -> list[Statement]:
        self._view.begin()
        self._rewrites: dict[int, dict[str, int]] = {}
        for draft in self._stretch.drafts:
            self._follow(draft)
        written = {key: frozenset(found) for key, found in self._rewrites.items()}
        taken = self._holding.taken(written)
        found = [self._statement(draft, taken.get(id(draft), [])) for draft in self._stretch.statements]
        self._view.end(committed=self._stretch.outcome == "commit")
        return found

    def _follow(self, draft: Draft) -> None:
        """The catalogue as this transaction changes it; a file that changed before a command began was changed by
        the silent command before it."""
        self._view.savepoint(draft)
        for told in draft.told:
            changed = self._view.take(told)
            owner = self._before(draft) if told.event == "ddl_command_start" else draft
            for relation, octets in changed.items():
                self._rewrites.setdefault(id(owner), {})[relation] = octets
        if draft.error is None and _SILENT.match(bare(draft.sql)) and (not draft.told or _LATER.search(draft.sql)):
            self._follow_silent(draft)

    def _before(self, draft: Draft) -> Draft:
        place = bisect_left(self._stretch.statements, draft.started, key=_start)
        return self._stretch.statements[place - 1] if place else draft

    def _follow_silent(self, draft: Draft) -> None:
        """What the next committed state shows of relations that the command names or has locked."""
        if self._stretch.outcome != "commit":
            return
        touched = {sighting.lock.relation for sighting in self._holding.seen(draft)}
        after = self._sightings.catalogue_after(self._stretch.finished + LATE_MS)
        for relation, octets in self._view.compare(after, touched, draft.sql).items():
            self._rewrites.setdefault(id(draft), {})[relation] = octets

    def _statement(self, draft: Draft, taken: list[Taken]) -> Statement:
        rewrites = self._rewrites.get(id(draft), {})
        peak = self._sightings.peak_between(draft.started, draft.finished)
        if draft.error and any(told.event == "table_rewrite" for told in draft.told):
            names = (self._view.name(told.concerned) for told in draft.told if told.event == "table_rewrite")
            rewrites = {name: peak for name in names if name} | rewrites
        return Statement(
            number=0,
            revision=None,
            sql=draft.sql,
            pid=draft.pid,
            transaction=self._number,
            started_ms=draft.started - self._epoch,
            duration_ms=draft.finished - draft.started,
            wal_bytes=self._wal(draft),
            locks=tuple(self._lock(one) for one in taken),
            rewrites=tuple(Rewrite(relation, octets) for relation, octets in sorted(rewrites.items())),
            scans=tuple(Scan(relation, rows) for relation, rows in sorted(self._scans(draft).items())),
            dead_tuples=self._dead(draft),
            peak_bytes=peak,
            temp_bytes=max(draft.temp_bytes, sum(map(plans.temp_bytes, draft.plans))),
            error=draft.error,
            lock_timeout_ms=draft.told[0].lock_timeout if draft.told else None,
            values=draft.values,
        )

    def _lock(self, taken: Taken) -> Lock:
        held = max(taken.released - taken.taken, 0.0)
        return Lock(
            taken.relation, taken.kind, taken.mode, taken.taken - self._epoch, held, taken.waited, taken.seen,
            taken.created,
        )  # fmt: skip

    def _wal(self, draft: Draft) -> int:
        planned = sum(map(plans.wal_bytes, draft.plans))
        if len(draft.told) > 1:
            return max(draft.told[-1].wal - draft.told[0].wal, planned)
        if draft.plans:
            return planned
        return self._sightings.wal_between(draft.started, draft.finished)

    def _scans(self, draft: Draft) -> dict[str, int]:
        found: dict[str, int] = {}
        for explained in draft.plans:
            for relation, rows in plans.scans(explained):
                found[relation] = found.get(relation, 0) + rows
        return found | self._told_scans(draft) | self._silent_scans(draft)

    def _told_scans(self, draft: Draft) -> dict[str, int]:
        """Rows that this session read, and those of the parallel workers that read beside it."""
        if len(draft.told) < 2:
            return {}
        first, last = draft.told[0].counted, draft.told[-1].counted
        found = {}
        for oid, (own, _, everyone) in last.items():
            own_before, _, everyone_before = first.get(oid, (0, 0, 0))
            name = self._view.name(oid)
            if own > own_before and name:
                found[name] = own - own_before + max(everyone - everyone_before, 0)
        return found

    def _silent_scans(self, draft: Draft) -> dict[str, int]:
        """What their statistics showed next of tables that it locked against everybody: those come late."""
        if not _READS_ALL.match(bare(draft.sql)) or len(draft.told) > 1:
            return {}
        before = self._sightings.catalogue_before(draft.started).relations
        touched = {sighting.lock.relation for sighting in self._holding.seen(draft)}
        touched |= {oid for oid, relation in before.items() if named(relation.name, draft.sql)}
        tables = [one for oid, one in before.items() if oid in touched and one.kind != "i"]
        read = {one.full_name: self._sightings.read_after(one, draft.started) for one in tables}
        return {name: rows for name, rows in read.items() if rows}

    @staticmethod
    def _dead(draft: Draft) -> int:
        planned = sum(map(plans.dead, draft.plans))
        if len(draft.told) < 2:
            return planned
        first, last = draft.told[0].counted, draft.told[-1].counted
        return sum(row[1] - first.get(oid, (0, 0, 0))[1] for oid, row in last.items() if row[1]) + planned
