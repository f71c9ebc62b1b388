"""Revision by revision, each on a copy of what the one before left: one that fails does not end the rehearsal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from inboxbench.database import connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.model import DryRun, Felt, Revision, Statement, Transaction
from inboxbench.dryrun.run import as_run, bring, check_aim, current_of, run_segment
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Live
from inboxbench.errors import UsageError
from inboxbench.server import Server

Run = Callable[[Server, str, Tool, str], Live]


def alone(server: Server, database: str, tool: Tool, target: str) -> Live:
    """A revision without traffic."""
    return Live(run_segment(server, database, tool, target))


def rehearse_each(
    server: Server,
    database: str,
    tool: Tool,
    *,
    source: str,
    begin: str | None,
    target: str,
    run: Run = alone,
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
    lives = list(_lives(server, database, tool, steps, run)) or [run(server, database, tool, target)]
    told: dict[str, Any] = {"server": server, "source": source, "command": tool.shown, "started": started}
    runs = [_with_traffic(as_run(live.leg, **told), live) for live in lives]
    return _joined(runs, [live.leg.observer.epoch for live in lives]) if steps else runs[0]


def _with_traffic(run: DryRun, live: Live) -> DryRun:
    return replace(run, traffic=live.felt, notes=(*run.notes, *live.notes))


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


def _lives(server: Server, database: str, tool: Tool, steps: list[str], run: Run) -> Iterator[Live]:
    """`now` is the state that the next revision is tried on; all copies are gone at the end."""
    now = database
    with ExitStack() as kept:
        for revision in steps:
            trial = ExitStack()
            kept.push(trial)
            name = trial.enter_context(cloned(server, now))
            live = run(server, name, tool, revision)
            yield live
            if live.leg.error is None:
                now = name
            else:
                trial.close()
                with connect(server.conninfo(now)) as connection:
                    tool.stamp(connection, revision)


def _joined(runs: list[DryRun], epochs: list[float]) -> DryRun:
    """One record: times from the first leg's beginning, numbers counted on."""
    statements: list[Statement] = []
    transactions: list[Transaction] = []
    revisions: list[Revision] = []
    felt: dict[str, Felt] = {}
    for run, epoch in zip(runs, epochs, strict=True):
        later, before, done = (epoch - epochs[0]) * 1000, len(statements), len(transactions)
        for one in run.traffic:
            moved = _moved(one, later, before)
            felt[one.name] = _added(felt[one.name], moved) if one.name in felt else moved
        statements += [_later(one, later, before, done) for one in run.statements]
        transactions += [
            replace(
                one,
                number=one.number + done,
                started_ms=one.started_ms + later,
                finished_ms=one.finished_ms + later,
            )
            for one in run.transactions
        ]
        revisions += [
            replace(one, started_ms=one.started_ms + later, finished_ms=one.finished_ms + later)
            for one in run.revisions
        ]
    errors = [run.error for run in runs if run.error]
    return replace(
        runs[-1],
        duration_ms=sum(run.duration_ms for run in runs),
        revisions=tuple(revisions),
        statements=tuple(statements),
        transactions=tuple(transactions),
        traffic=tuple(felt.values()),
        one_transaction=False,
        peak_bytes=max(run.peak_bytes for run in runs),
        wal_bytes=sum(run.wal_bytes for run in runs),
        exit_status=next((run.exit_status for run in runs if run.exit_status), 0),
        error="; ".join(errors) or None,
        notes=(
            *dict.fromkeys(note for run in runs for note in run.notes),
            "each revision ran by itself, on a copy of the one before",
        ),
    )


def _later(one: Statement, later: float, before: int, done: int) -> Statement:
    return replace(
        one,
        number=one.number + before,
        transaction=one.transaction + done,
        started_ms=one.started_ms + later,
        locks=tuple(replace(lock, taken_ms=lock.taken_ms + later, through=lock.through + before) for lock in one.locks),
    )


def _moved(one: Felt, later: float, before: int) -> Felt:
    """Its stalls and its course by the clock and the numbers of the whole."""
    stalls = (
        replace(
            stall,
            started_ms=stall.started_ms + later,
            statement=None if stall.statement is None else stall.statement + before,
        )
        for stall in one.stalls
    )
    course = (replace(interval, started_ms=interval.started_ms + later) for interval in one.course)
    problems = (replace(problem, at_ms=problem.at_ms + later) for problem in one.problems)
    longest = None if one.longest_at_ms is None else one.longest_at_ms + later
    return replace(one, stalls=tuple(stalls), course=tuple(course), problems=tuple(problems), longest_at_ms=longest)


def _added(one: Felt, other: Felt) -> Felt:
    slower, longest = max(one, other, key=_stalled), max(one, other, key=_waited)
    return replace(
        one,
        requests=one.requests + other.requests,
        p50_ms=max(one.p50_ms, other.p50_ms),
        p99_ms=max(one.p99_ms, other.p99_ms),
        max_stall_ms=slower.max_stall_ms,
        still_ms=slower.still_ms,
        max_wait_ms=longest.max_wait_ms,
        longest_at_ms=longest.longest_at_ms,
        blocked_ms=one.blocked_ms + other.blocked_ms,
        errors=one.errors + other.errors,
        first_error=one.first_error or other.first_error,
        deadlocks=one.deadlocks + other.deadlocks,
        deadlock_cycle=one.deadlock_cycle or other.deadlock_cycle,
        stalls=(*one.stalls, *other.stalls),
        course=(*one.course, *other.course),
        problems=(*one.problems, *other.problems),
    )


def _stalled(felt: Felt) -> float:
    return felt.max_stall_ms


def _waited(felt: Felt) -> float:
    return felt.max_wait_ms or 0.0
