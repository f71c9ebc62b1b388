"""Which revision a statement belongs to: those up to a write to the tool's version table are that revision's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from inboxbench.dryrun.model import Revision, Statement, Transaction
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.tools.base import Stamp, Tool
from inboxbench.dryrun.tools.stamps import read_stamps, same_table, spelled
from inboxbench.migrate.history import History


@dataclass(slots=True)
class _Group:
    """The statements up to a stamp. table: that was written to; asked: that the tool had asked just before them."""

    revision: str | None
    statements: list[Statement]
    table: str | None = None
    stamped: bool = True
    asked: str | None = None


def attribute(
    tool: Tool,
    statements: Sequence[Statement],
    transactions: Sequence[Transaction],
    history: History,
    *,
    samples: Samples,
    epoch_ms: float,
    downgrade: bool = False,
    at: Mapping[str, str | None] | None = None,
) -> tuple[list[Statement], list[Revision]]:
    """Return the statements with their revisions, and the revisions.

    at: by version table the revision that the run begins at, where a failure is named by what would come next.
    """
    done = dict(at or {})
    placed: list[Statement] = []
    revisions: list[Revision] = []
    ends = {transaction.number: transaction.finished_ms for transaction in transactions}
    for group in _groups(tool, statements, history, downgrade=downgrade):
        if not group.stamped and group.revision is None and any(statement.error for statement in group.statements):
            group.revision = _pending(history, _at(group, done), downgrade=downgrade)
        placed += _placed(tool, group, history)
        if group.revision is not None:
            revisions.append(_revision(group, history, samples, epoch_ms, ends))
            done = {table: was for table, was in done.items() if not same_table(table, group.table or table)}
            done[group.table or ""] = group.revision
    return placed, revisions


def _at(group: _Group, done: Mapping[str, str | None]) -> str | None:
    """Return where the history stood before a revision without a stamp: by the table that was asked, if any was, else
    by the latest stamp.
    """
    if group.asked is not None and done:
        return next((was for table, was in done.items() if same_table(table, group.asked)), None)
    return list(done.values())[-1] if done else None


def _groups(tool: Tool, statements: Sequence[Statement], history: History, *, downgrade: bool) -> list[_Group]:
    stamps = read_stamps(tool, statements, history)
    groups: list[_Group] = []
    waiting = _Group(None, [], stamped=False)  # its revision is known beforehand where a stamp opened it
    for place, (statement, stamp) in enumerate(zip(statements, stamps, strict=True)):
        if stamp is not None and stamp.part == "opens":
            groups.append(waiting)
            waiting = _Group(_named_by(stamp, downgrade=downgrade), [], stamp.table, stamped=False)
        following = stamps[place + 1] if place + 1 < len(stamps) else None
        waiting.statements.append(
            statement if stamp is None else replace(statement, sql=spelled(statement), stamps=True)
        )
        if stamp is None or stamp.part in ("opens", "remark") or _goes_on(stamp, following, downgrade=downgrade):
            continue
        if stamp.part == "closes" and waiting.revision is None and groups and groups[-1].table == stamp.table:
            groups[-1].statements += waiting.statements  # what is noted of a revision after its end
        else:
            revision = waiting.revision or _named_by(stamp, downgrade=downgrade)
            groups.append(replace(waiting, revision=revision, table=stamp.table, stamped=True))
        waiting = _Group(None, [], stamped=False)
    tables = {stamp.table for stamp in stamps if stamp is not None}
    groups = [group for group in (*groups, waiting) if group.statements]
    return [part for place, group in enumerate(groups) for part in _parted(tool, group, tables, first=place == 0)]


def _named_by(stamp: Stamp, *, downgrade: bool) -> str | None:
    """A tool whose table is known may go back within a run that was not asked to."""
    there, back = (stamp.was, stamp.to) if downgrade else (stamp.to, stamp.was)
    return there or (back if stamp.sure else None)


def _parted(tool: Tool, group: _Group, tables: set[str], *, first: bool) -> Iterator[_Group]:
    """Yield apart what comes before a revision: the tool looks its table up, may create it, and does so again for the
    next tenant.
    """
    asked = [tool.asked(statement.sql) for statement in group.statements]
    last = max((place for place, table in enumerate(asked) if table is not None), default=-1)
    cut = max(last + 1, _preamble(tool, group.statements, tables) if first else 0)
    if cut:
        yield _Group(None, group.statements[:cut], stamped=group.stamped)
    if cut < len(group.statements):
        table = asked[last] if last >= 0 else None
        yield replace(group, statements=group.statements[cut:], asked=table)


def _goes_on(stamp: Stamp, following: Stamp | None, *, downgrade: bool) -> bool:
    """A merge writes several rows for one revision: those that go away first (upgrade) or come first
    (downgrade).
    """
    if following is None or stamp.sure:
        return False
    return stamp.was is None if downgrade else stamp.to is None


def _preamble(tool: Tool, statements: Sequence[Statement], tables: set[str]) -> int:
    """Return how many statements come before the first revision, as far as they name the version table."""
    names = {table.rpartition(".")[2] for table in tables} or set(tool.version_tables)
    asking = [
        place
        for place, statement in enumerate(statements)
        if not statement.stamps and any(name in statement.sql for name in names)
    ]
    return asking[-1] + 1 if asking else 0


def _pending(history: History, done: str | None, *, downgrade: bool) -> str:
    """Return the revision at work when the history broke off."""
    if downgrade and done is not None:
        script = history.scripts.get(done)
        following = script.parents[0] if script and script.parents else None
    else:
        following = history.after(done)
    return following or f"after {done or 'base'}"


def _placed(tool: Tool, group: _Group, history: History) -> list[Statement]:
    """Return the statements of a group with their revision, file and line."""
    script = history.scripts.get(group.revision) if group.revision else None
    if script is None:
        return [replace(statement, revision=group.revision) for statement in group.statements]
    return [
        replace(
            statement,
            revision=group.revision,
            file=str(script.path),
            line=tool.source_line(script.path, statement.sql),
        )
        for statement in group.statements
    ]


def _revision(group: _Group, history: History, samples: Samples, epoch_ms: float, ends: dict[int, float]) -> Revision:
    assert group.revision is not None
    script = history.scripts.get(group.revision)
    first, last = group.statements[0], group.statements[-1]
    begin, end = first.started_ms, last.started_ms + last.duration_ms
    if group.statements[0].transaction != 0 and _own_transaction(group, ends):
        end = max(end, ends.get(last.transaction, end))
    errors = [statement.error for statement in group.statements if statement.error and not group.stamped]
    after = samples.catalogue_after(end + epoch_ms).invalid.values()
    words: set[str] = set().union(*(statement.parsed.words for statement in group.statements)) if after else set()
    return Revision(
        revision=group.revision,
        title=script.title if script else "",
        file=str(script.path) if script else None,
        started_ms=begin,
        finished_ms=end,
        wal_bytes=samples.wal_between(begin + epoch_ms, end + epoch_ms),
        peak_bytes=samples.peak_between(begin + epoch_ms, end + epoch_ms),
        invalid_indexes=tuple(sorted(index.full_name for index in after if index.name in words)),
        error=errors[-1] if errors else None,
    )


def _own_transaction(group: _Group, ends: dict[int, float]) -> bool:
    """Return whether its last transaction began within it; a history in one transaction ends long after."""
    last = group.statements[-1]
    return last.transaction in ends and group.statements[0].transaction != last.transaction


def named(transactions: Sequence[Transaction], statements: Sequence[Statement]) -> tuple[Transaction, ...]:
    """Return the transactions with the revisions that ran in them, in order."""
    ran: dict[int, dict[str, None]] = {item.number: {} for item in transactions}
    for statement in statements:
        if statement.revision is not None:
            ran.setdefault(statement.transaction, {})[statement.revision] = None
    return tuple(replace(item, revisions=tuple(ran[item.number])) for item in transactions)
