"""Revision by revision, each on a copy of what the one before left: one that fails does not end the rehearsal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TypeVar

from inboxbench.database import connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.model import ClassSummary, DryRun, Lock, Problem, Revision, Stall, Statement, Transaction
from inboxbench.dryrun.more import Schema
from inboxbench.dryrun.run import Say, Segment, as_run, bring, check_aim, current_of, run_segment, silent
from inboxbench.dryrun.schema import read_schema, recorded
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import LoadOf, no_load
from inboxbench.dryrun.unfinished import compared, unfinished_notes
from inboxbench.errors import UsageError
from inboxbench.server import Server
from inboxbench.traffic.latency import Interval

T = TypeVar("T", Statement, Transaction, Revision, Stall, Interval, Problem, Lock, ClassSummary)
_MOMENTS = ("started_ms", "finished_ms", "taken_ms", "at_ms", "longest_at_ms")
_SUMS = ("requests", "blocked_ms", "queued_ms", "errors", "deadlocks", "stalls", "course", "problems")


def rehearse_each(
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
    """As `run.rehearse`, with a stop after each revision. A failed one is stamped as done, its work is not there.

    Traffic is added up over the revisions; its percentiles are those of the worst of them. Raises UsageError when the
    revisions' files are not known.
    """
    check_aim(tool, begin or "base", target)
    if begin is not None:
        bring(server, database, tool, begin)
    started = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    steps = _steps(tool, current_of(server, database, tool), target)
    schemas: list[Schema] = [read_schema(server, database)]
    segments = list(_segments(server, database, tool, steps, load, say=say, schemas=schemas))
    segments = segments or [run_segment(server, database, tool, target, load(database), say=say)]
    runs = [as_run(segment, server=server, source=source, command=tool.shown, started=started) for segment in segments]
    run = _joined(runs, [segment.observer.epoch for segment in segments]) if steps else runs[0]
    return replace(run, more=replace(run.more, schema=recorded([*schemas, schemas[-1]], run.statements)))


def _steps(tool: Tool, at: Sequence[str], target: str) -> list[str]:
    """The revisions to run, in order."""
    line = [script.revision for script in tool.history(set(at)).line()]
    if not line:
        raise UsageError("--each needs to know the revisions; name their folder with --script-location")
    unknown = [name for name in (*at, *([] if target in ("head", "heads") else [target])) if name not in line]
    if unknown:
        raise UsageError(f"revision {unknown[0]} is not among the {len(line)} revisions of the history")
    first = max((line.index(name) + 1 for name in at), default=0)
    last = len(line) if target in ("head", "heads") else line.index(target) + 1
    return line[first:last]


def _segments(
    server: Server, database: str, tool: Tool, steps: list[str], load: LoadOf, *, say: Say, schemas: list[Schema]
) -> Iterator[Segment]:
    """`now` is the state that the next revision is tried on; all copies are gone at the end.

    schemas: is given what each revision left.
    """
    now = database
    with ExitStack() as kept:
        for revision in steps:
            trial = ExitStack()
            kept.push(trial)
            name = trial.enter_context(cloned(server, now))
            segment = run_segment(server, name, tool, revision, load(name), say=say)
            schemas.append(read_schema(server, name))
            yield segment
            if segment.error is None:
                now = name
            else:
                trial.close()
                with connect(server.conninfo(now)) as connection:
                    tool.stamp(connection, revision)


def _joined(runs: list[DryRun], epochs: list[float]) -> DryRun:
    """Make one record: times from the first segment's beginning, numbers counted on."""
    statements: list[Statement] = []
    transactions: list[Transaction] = []
    revisions: list[Revision] = []
    traffic: dict[str, ClassSummary] = {}
    for run, epoch in zip(runs, epochs, strict=True):
        later_ms, before, done = (
            (epoch - epochs[0]) * 1000,
            statements[-1].number if statements else 0,
            len(transactions),
        )
        for summary in run.traffic:
            moved = _moved(summary, later_ms, before)
            traffic[moved.name] = _added(traffic[moved.name], moved) if moved.name in traffic else moved
        statements += [_renumbered(statement, later_ms, before, done) for statement in run.statements]
        transactions += [_later(item, later_ms, number=item.number + done) for item in run.transactions]
        revisions += [_later(revision, later_ms) for revision in run.revisions]
    errors = [run.error for run in runs if run.error]
    left = compared([item for item in runs[0].more.unfinished or () if item.before], runs[-1].more.unfinished or ())
    passing = {note for run in runs for note in unfinished_notes(run.more.unfinished or ())}
    return replace(
        runs[-1],
        duration_ms=sum(run.duration_ms for run in runs),
        revisions=tuple(revisions),
        statements=tuple(statements),
        transactions=tuple(transactions),
        traffic=tuple(traffic.values()),
        one_transaction=False,
        peak_bytes=max(run.peak_bytes for run in runs),
        wal_bytes=sum(run.wal_bytes for run in runs),
        exit_status=next((run.exit_status for run in runs if run.exit_status), 0),
        error="; ".join(errors) or None,
        notes=(
            *dict.fromkeys(note for run in runs for note in run.notes if note not in passing),
            *unfinished_notes(left),
            "each revision ran by itself, on a copy of the one before",
        ),
        more=replace(runs[-1].more, unfinished=left or None),
    )


def _later(value: T, by_ms: float, **changes: Any) -> T:
    """Return a record whose moments are so much later, with other changes."""
    moments = {name: getattr(value, name, None) for name in _MOMENTS}
    return replace(value, **{name: at + by_ms for name, at in moments.items() if at is not None}, **changes)


def _renumbered(statement: Statement, later_ms: float, before: int, done: int) -> Statement:
    return _later(
        statement,
        later_ms,
        number=statement.number + before,
        repeats=tuple(replace(repeat, number=repeat.number + before) for repeat in statement.repeats),
        transaction=statement.transaction + done,
        locks=tuple(_later(lock, later_ms, through=lock.through + before) for lock in statement.locks),
    )


def _moved(summary: ClassSummary, later_ms: float, before: int) -> ClassSummary:
    """Return it by the clock and the numbers of the whole."""

    def numbered(stall: Stall) -> int | None:
        return None if stall.statement is None else stall.statement + before

    return _later(
        summary,
        later_ms,
        stalls=tuple(_later(stall, later_ms, statement=numbered(stall)) for stall in summary.stalls),
        course=tuple(_later(interval, later_ms) for interval in summary.course),
        problems=tuple(_later(problem, later_ms) for problem in summary.problems),
    )


def _added(first: ClassSummary, second: ClassSummary) -> ClassSummary:
    both = (first, second)
    slower = max(both, key=lambda summary: summary.max_stall_ms)
    longest = max(both, key=lambda summary: summary.max_wait_ms or 0.0)
    return replace(
        first,
        **{name: getattr(first, name) + getattr(second, name) for name in _SUMS},
        **{name: max(getattr(summary, name) for summary in both) for name in ("p50_ms", "p99_ms")},
        **{name: getattr(slower, name) for name in ("max_stall_ms", "still_ms")},
        **{name: getattr(longest, name) for name in ("max_wait_ms", "longest_at_ms")},
        **{name: getattr(first, name) or getattr(second, name) for name in ("first_error", "deadlock_cycle")},
    )
