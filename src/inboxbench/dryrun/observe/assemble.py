"""From drafts and the poll to statements and transactions, with locks, rewrites, scans, WAL, disk and dead rows."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from inboxbench.dryrun.model import Lock, Rewrite, Scan, Statement, Transaction
from inboxbench.dryrun.observe.catalog_view import View
from inboxbench.dryrun.observe.inner_work import CODE, inner_work, planned_dead, rows_at_once, share_inner_work
from inboxbench.dryrun.observe.lock_attribution import LATE_MS, LockAttribution
from inboxbench.dryrun.observe.log_statements import Draft, Segment, segments
from inboxbench.dryrun.observe.sampler import Poll
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.observe.scan_count import counted_scans, indexes_by_table, silent_scans
from inboxbench.sqltree import Parsed, parse

# Utility commands without event triggers (or, before 17, without them) that give relations new files: what they did
# shows in the catalogue.
_SILENT = ("cluster", "reindex", "truncate")


def assemble(
    drafts: Iterable[Draft], poll: Poll, epoch_ms: float
) -> tuple[tuple[Statement, ...], tuple[Transaction, ...]]:
    """Numbered by their beginning. epoch_ms: the Unix ms that is the run's 0."""
    if not poll.catalogues:
        return (), ()
    samples = Samples(poll)
    view = View(samples.poll.catalogues)
    statements: list[Statement] = []
    transactions: list[Transaction] = []
    parts = segments(list(drafts), samples)
    share_inner_work(parts, poll)
    every = sorted((draft for segment in parts for draft in segment.statements), key=_start)
    for segment in parts:
        if not segment.statements:
            continue
        number = len(transactions) + 1
        statements += _Work(segment, samples, view, epoch_ms, every).statements(number)
        transactions.append(
            Transaction(number, segment.pid, segment.started - epoch_ms, segment.finished - epoch_ms, segment.outcome)
        )
    numbered = tuple(_numbered(sorted(statements, key=lambda statement: statement.started_ms)))
    return tuple(_through(numbered)), tuple(transactions)


def _numbered(statements: list[Statement]) -> Iterator[Statement]:
    for number, statement in enumerate(statements, start=1):
        yield replace(statement, number=number)


def _through(statements: Sequence[Statement]) -> Iterator[Statement]:
    """Yield each lock with the last statement that ran until it was released."""
    begun: dict[int, list[tuple[float, int]]] = defaultdict(list)
    for statement in statements:
        begun[statement.transaction].append((statement.started_ms, statement.number))
    for statement in statements:
        mine = begun[statement.transaction]
        ends = [bisect_left(mine, (lock.taken_ms + lock.held_ms, 0)) - 1 for lock in statement.locks]
        numbers = [max(mine[end][1], statement.number) for end in ends]
        locks = zip(statement.locks, numbers, strict=True)
        yield replace(statement, locks=tuple(replace(lock, through=number) for lock, number in locks))


def _start(draft: Draft) -> float:
    return draft.started


def _later(draft: Draft) -> bool:
    """Return whether it is CONCURRENTLY, of which no event shows what it does last."""
    return any(command.concurrently for command in draft.parsed.commands)


def _changes_files(parsed: Parsed) -> bool:
    """Return whether it gives relations new files without an event that shows it; plain VACUUM and ANALYZE do not."""
    return parsed.has(*_SILENT) or any(command.full for command in parsed.commands)


def _reads_all(draft: Draft) -> bool:
    """VACUUM FULL, CLUSTER and REINDEX read their tables whole."""
    kinds = ("cluster", "reindex")
    return any(command.full or command.kind in kinds for command in draft.parsed.commands)


class _Work:
    """The statements of one transaction. every: the statements of all, by their beginning."""

    def __init__(self, segment: Segment, samples: Samples, view: View, epoch_ms: float, every: Sequence[Draft]) -> None:
        self._segment, self._samples, self._view = segment, samples, view
        self._epoch, self._every = epoch_ms, every
        self._holding = LockAttribution(segment, samples, view)

    def statements(self, transaction: int) -> list[Statement]:
        """Return them in their order. transaction: its number in the run."""
        self._view.begin()
        self._rewrites: dict[int, dict[str, int]] = {}
        for draft in self._segment.drafts:
            self._follow(draft)
        for draft in self._segment.statements:
            likely = {span.lock.relation for span in self._holding.seen(draft)} if draft.inner else ()
            draft.within += inner_work(draft, partial(self._view.meant, likely=likely))
        written = {key: frozenset(relations) for key, relations in self._rewrites.items()}
        taken = self._holding.taken(written)
        done = [self._statement(draft, transaction, taken.get(id(draft), [])) for draft in self._segment.statements]
        self._view.end(committed=self._segment.outcome == "commit")
        return done

    def _follow(self, draft: Draft) -> None:
        """The catalogue as this transaction changes it; a file that changed before a command began was changed by
        the silent command before it."""
        self._view.savepoint(draft)
        for event in draft.events:
            changed = self._view.take(event)
            owner = self._before(draft) if event.event == "ddl_command_start" else draft
            for relation, octets in changed.items():
                self._rewrites.setdefault(id(owner), {})[relation] = octets
        if draft.error is None and (not draft.events or _later(draft)):
            for parsed in (draft.parsed, *(parse(inner.sql) for inner in draft.inner)):
                if _changes_files(parsed):
                    self._follow_silent(draft, parsed)

    def _before(self, draft: Draft) -> Draft:
        place = bisect_left(self._segment.statements, draft.started, key=_start)
        return self._segment.statements[place - 1] if place else draft

    def _follow_silent(self, draft: Draft, parsed: Parsed) -> None:
        """Compare with the next committed state of relations that the command, or one within, names or has locked."""
        if self._segment.outcome != "commit":
            return
        touched = {span.lock.relation for span in self._holding.seen(draft)}
        after = self._samples.catalogue_after(self._segment.finished + LATE_MS)
        for relation, octets in self._view.compare(after, touched, parsed).items():
            self._rewrites.setdefault(id(draft), {})[relation] = octets

    def _statement(self, draft: Draft, transaction: int, locks: list[Lock]) -> Statement:
        rewrites = self._rewrites.get(id(draft), {})
        peak = self._samples.peak_between(draft.started, draft.finished)
        if draft.error and any(event.event == "table_rewrite" for event in draft.events):
            names = (self._view.name(event.concerned) for event in draft.events if event.event == "table_rewrite")
            rewrites = {name: peak for name in names if name} | rewrites
        dead = self._dead(draft)
        return Statement(
            number=0,
            revision=None,
            sql=draft.sql,
            pid=draft.pid,
            transaction=transaction,
            started_ms=draft.started - self._epoch,
            duration_ms=draft.finished - draft.started,
            wal_bytes=self._wal(draft),
            locks=tuple(replace(lock, taken_ms=lock.taken_ms - self._epoch) for lock in locks),
            rewrites=tuple(Rewrite(relation, octets) for relation, octets in sorted(rewrites.items())),
            scans=tuple(Scan(relation, rows) for relation, rows in sorted(self._scans(draft).items())),
            dead_tuples=dead,
            peak_bytes=peak,
            temp_bytes=max(draft.temp_bytes, sum(plan.temporary for plan in draft.plans)),
            error=draft.error,
            sqlstate=draft.sqlstate,
            lock_timeout_ms=draft.events[0].lock_timeout if draft.events else None,
            values=draft.values,
            inner=tuple(draft.inner),
            rows_at_once=rows_at_once(draft, dead) if draft.parsed.has(*CODE) else None,
        )

    def _wal(self, draft: Draft) -> int:
        planned = sum(plan.wal for plan in draft.plans)
        if len(draft.events) > 1:
            return max(draft.events[-1].wal - draft.events[0].wal, planned)
        if draft.plans:
            return planned
        return self._samples.wal_between(draft.started, draft.finished)

    def _scans(self, draft: Draft) -> dict[str, int]:
        rows_read: dict[str, int] = {}
        for plan in draft.plans:
            for relation, rows in plan.scans:
                rows_read[relation] = rows_read.get(relation, 0) + rows
        return rows_read | self._counted_scans(draft) | self._silent_scans(draft)

    def _counted_scans(self, draft: Draft) -> dict[str, int]:
        rewritten = (self._view.by_name(name) for name in self._rewrites.get(id(draft), {}))
        relations = (self._view.relation(oid) for oid in rewritten if oid is not None)
        rebuilt = indexes_by_table(relation for relation in relations if relation is not None)
        rows = counted_scans(draft, rebuilt)
        return {name: count for oid, count in rows.items() if (name := self._view.name(oid))}

    def _silent_scans(self, draft: Draft) -> dict[str, int]:
        if not _reads_all(draft) or len(draft.events) > 1 or draft.error:
            return {}
        after = self._samples.catalogue_after(self._segment.finished + LATE_MS)
        return silent_scans(draft, self._rewrites.get(id(draft), {}), after)

    @staticmethod
    def _dead(draft: Draft) -> int:
        """Return the most that a witness saw: of what CALL and DO ran, the plans and the counts saw the same."""
        planned, within = planned_dead(draft.plans), planned_dead(draft.within)
        dead = max(planned, within) if draft.parsed.has(*CODE) else planned + within
        if len(draft.events) < 2:
            return dead
        first, last = draft.events[0].counted, draft.events[-1].counted
        return max(sum(row[1] - first.get(oid, (0, 0, 0, 0))[1] for oid, row in last.items() if row[1]), dead)
