"""Run a migration tool's command on a copy from end to end, observed, and make a record of what was seen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from inboxbench.database import connect
from inboxbench.dryrun.folding import fold
from inboxbench.dryrun.model import ClassSummary, DryRun, Revision, Statement, Transaction
from inboxbench.dryrun.more import Hung, More, Unfinished
from inboxbench.dryrun.observe.observer import Observer, observed
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.schema import read_schema, recorded
from inboxbench.dryrun.tools.any_tool import AnyTool
from inboxbench.dryrun.tools.attribution import attribute, named
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.tools.by_transaction import by_transaction, changes
from inboxbench.dryrun.tools.process import Ended, run_tool
from inboxbench.dryrun.tools.stamps import shaped_stamps
from inboxbench.dryrun.under_traffic import NO_LOAD, Load, LoadOf, no_load, watched_traffic
from inboxbench.dryrun.unfinished import compared, read_unfinished, unfinished_notes
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.server import Server
from inboxbench.units import seconds, size

Say = Callable[[str], None]  # is given what goes on, for whoever waits


def silent(_text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of the tool's command that was observed: the whole history, or a part of it.

    traffic: what each class of requests waited for; notes: on the traffic.
    """

    ended: Ended
    revisions: tuple[Revision, ...]
    statements: tuple[Statement, ...]
    transactions: tuple[Transaction, ...]
    observer: Observer
    traffic: tuple[ClassSummary, ...] = ()
    notes: tuple[str, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    hung: Hung | None = None

    def _why_hung(self) -> str:
        ended = f"the command ran longer than {self.ended.seconds:.0f} s and was ended"
        if self.hung is None:
            return f"{ended}; --timeout gives it more"
        helps = "no --timeout helps" if self.hung.own else "--timeout gives it more"
        return f"{ended}: {self.hung.what}; {helps}"

    @property
    def error(self) -> str | None:
        """Return why it did not get where it should: what the server said, else what the command said."""
        if self.ended.hung:
            return self._why_hung()
        if self.ended.status == 0:
            return None
        failed = next((statement for statement in reversed(self.statements) if statement.error), None)
        if failed is None:
            return f"the command ended with status {self.ended.status}: {self.ended.complaint}"
        where = f"revision {failed.revision}" if failed.revision else "the history"
        hint = "; its extension is missing here: use --server bin:DIR with your own PostgreSQL's programs"
        return f"{where} failed: {failed.error}{hint if 'extension' in (failed.error or '') else ''}"


def _hung(observer: Observer, statements: Sequence[Statement]) -> Hung | None:
    """Return why the command did not end, as it was seen before it was ended."""
    hang = observer.hang
    if hang is None:
        return None
    last = max((item.number for item in statements if item.pid == hang.pid), default=None)
    return Hung(hang.what, last, hang.relation, hang.own)


def states_of(server: Server, database: str, tool: Tool) -> dict[str, list[str]]:
    """Return the revisions that a database is at, by version table; none without a version table."""
    with connect(server.conninfo(database)) as connection:
        return tool.states(connection)


def current_of(server: Server, database: str, tool: Tool) -> list[str]:
    """Return the revisions that a database is at, whichever version table says so."""
    ids = (revision for revisions in states_of(server, database, tool).values() for revision in revisions)
    return list(dict.fromkeys(ids))


def own_tables(server: Server, database: str, tool: Tool) -> tuple[str, ...]:
    """Return the tool's version tables: those of the database, and the names that it uses when nothing says another."""
    return (*tool.version_tables, *states_of(server, database, tool))


def run_segment(
    server: Server,
    database: str,
    tool: Tool,
    target: str = "head",
    load: Load = NO_LOAD,
    *,
    downgrade: bool = False,
    say: Say = silent,
) -> Segment:
    """Run the tool's command, observed and under a load. What goes wrong in it is no exception: see Segment.error.

    No observation is read before the traffic has ended: that would slow it down.
    """
    before, half_done = states_of(server, database, tool), read_unfinished(server, database)
    with watched_traffic(server.conninfo(database), load) as traffic, observed(server, database) as observer:
        ended = run_tool(tool, server.url(database), target, downgrade=downgrade, at_timeout=observer.interrupt)
        if ended.hung:
            observer.end_sessions()
    say(f"the command ended after {seconds(ended.seconds)}: reading {size(observer.logged)} of the server's log")
    segment = described(tool, ended, observer, before, downgrade=downgrade)
    summaries = traffic.summaries(segment.statements, observer.epoch * 1000)
    left = compared(half_done, read_unfinished(server, database))
    return replace(segment, traffic=summaries, notes=traffic.notes, unfinished=left)


def described(
    tool: Tool,
    ended: Ended,
    observer: Observer,
    before: Mapping[str, Sequence[str]] | None = None,
    *,
    downgrade: bool = False,
) -> Segment:
    """Read what the observer saw, by revision. before: the revisions that the database was at, by version table."""
    statements, transactions = observer.observed()
    at = dict(before or {})
    written = {name for stamp in shaped_stamps(tool, statements) if stamp for name in (stamp.was, stamp.to) if name}
    placed, revisions = attribute(
        tool, statements, transactions, tool.history(written.union(*at.values())), samples=Samples(observer.poll),
        epoch_ms=observer.epoch * 1000, downgrade=downgrade,
        at={table: next(iter(ids), None) for table, ids in at.items()},
    )  # fmt: skip
    if isinstance(tool, AnyTool) and not any(item.stamps or tool.asked(item.sql) for item in placed):
        placed, revisions = by_transaction(placed, transactions, Samples(observer.poll), observer.epoch * 1000)
    folded = fold(placed)
    return Segment(ended, tuple(revisions), folded, named(transactions, placed), observer, hung=_hung(observer, folded))


def rehearse(
    server: Server,
    database: str,
    tool: Tool,
    *,
    source: str,
    begin: str | None,
    target: str,
    load: LoadOf = no_load,
    say: Say = silent,
) -> DryRun:
    """Migrate the copy `database` to `target` and record what was seen.

    begin: the revision that it is brought to first, unobserved. Raises UsageError for a command that cannot be told
    where to stop, or that is none of the tool's.
    """
    check_aim(tool, begin, target)
    if begin is not None:
        bring(server, database, tool, begin)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    before = current_of(server, database, tool)
    schema = read_schema(server, database)
    segment = run_segment(server, database, tool, target, load(database), say=say)
    _check_history(segment, tool, before, current_of(server, database, tool))
    made = as_run(segment, server=server, source=source, command=tool.shown, started=started)
    known = recorded([schema, read_schema(server, database)], made.statements)
    return replace(made, more=replace(made.more, schema=known))


def check_aim(tool: Tool, begin: str | None, target: str) -> None:
    """Raises UsageError for a command that cannot be told where to stop, and for a history with several heads."""
    if not tool.aims and (begin is not None or target != "head"):
        raise UsageError(
            "--from, --to and --each need a command that can be told where to stop: write {revision} where it takes "
            "the revision"
        )
    heads = tool.history(set()).heads if target == "head" else []
    if len(heads) > 1:
        raise UsageError(
            f"the history has {len(heads)} heads ({', '.join(heads)}); name one with --to, or --to heads for all"
        )


def bring(server: Server, database: str, tool: Tool, begin: str) -> None:
    """Migrate to the revision `begin`, unobserved. Raises SubjectFailed when the database does not get there."""
    if not tool.aims:
        raise SubjectFailed("the command cannot be told where to stop: write {revision} where it takes the revision")
    ended = run_tool(tool, server.url(database), begin)
    if ended.status:
        raise SubjectFailed(f"the copy could not be brought to revision {begin}: {ended.complaint}")


def _check_history(segment: Segment, tool: Tool, before: list[str], after: list[str]) -> None:
    seen = isinstance(tool, AnyTool) and any(map(changes, segment.statements))
    if segment.ended.status == 0 and not before and not after and not segment.revisions and not seen:
        table = f"{'an' if tool.name[0] in 'AEIOU' else 'a'} {tool.name} version table"
        raise UsageError(
            f"{tool.shown}: it ended well, but neither wrote {table} nor found one; is it the command that upgrades, "
            "and does it read its URL from {url}, DATABASE_URL or --url-env?"
        )


def as_run(segment: Segment, *, server: Server, source: str, command: str, started: str) -> DryRun:
    """Return the record of a whole run from one segment."""
    poll, epoch = segment.observer.poll, segment.observer.epoch * 1000
    end = max((transaction.finished_ms for transaction in segment.transactions), default=0.0)
    samples = Samples(poll)
    unfinished = segment.unfinished
    return DryRun(
        server=server.label,
        source=source,
        command=command,
        started=started,
        duration_ms=segment.ended.seconds * 1000,
        revisions=segment.revisions,
        statements=segment.statements,
        transactions=segment.transactions,
        traffic=segment.traffic,
        one_transaction=_in_one(segment),
        peak_bytes=samples.peak_between(epoch, epoch + end),
        wal_bytes=samples.wal_between(epoch, epoch + end),
        invalid_indexes=tuple(item.name for item in unfinished if item.index),
        exit_status=segment.ended.status,
        error=segment.error,
        notes=_notes(segment),
        more=More(unfinished=unfinished or None, hung=segment.hung),
    )


def _in_one(segment: Segment) -> bool:
    """Return whether all revisions ran in a single transaction."""
    done = [revision.revision for revision in segment.revisions]
    return len(done) > 1 and any(len(transaction.revisions) == len(set(done)) for transaction in segment.transactions)


def _notes(segment: Segment) -> tuple[str, ...]:
    notes = []
    if not segment.revisions and segment.error is None:
        notes.append("nothing to do: the copy is where the history leads already")
    if segment.observer.poll.problem:
        notes.append(f"the poll ended early ({segment.observer.poll.problem}): CONCURRENTLY and VACUUM may lack locks")
    return (*notes, *unfinished_notes(segment.unfinished), *segment.notes)
