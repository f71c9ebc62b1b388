"""Limits that a rehearsal must keep, and the lines that say which it broke."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from inboxbench.dryrun.model import DryRun, Lock, Statement
from inboxbench.units import millis, size


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. stall and lock_hold in ms, wal and rewrite in bytes, errors a count of traffic's errors."""

    stall: float | None = None
    lock_hold: float | None = None
    wal: float | None = None
    rewrite: float | None = None
    errors: int | None = None


def broken(run: DryRun, limits: Limits) -> Iterator[str]:
    """Yield one line a limit that was passed, with where."""
    worst = max(run.traffic, key=lambda summary: summary.max_stall_ms, default=None)
    if limits.stall is not None and worst is not None and worst.max_stall_ms > limits.stall:
        yield f"{worst.name} stalled for {millis(worst.max_stall_ms)}, over --max-stall {millis(limits.stall)}"
    held = ((lock.held_ms, f"{lock.mode} on {_place(lock)} was held for {millis(lock.held_ms)}", statement)
            for statement in run.statements for lock in statement.locks if lock.keeps_out)  # fmt: skip
    yield from _largest(held, limits.lock_hold, "--max-lock-hold", millis)
    written = sum(statement.wal_bytes for statement in run.statements)
    if limits.wal is not None and written > limits.wal:
        yield f"{size(written)} of WAL, over --max-wal {size(limits.wal)}"
    rewritten = ((rewrite.bytes, f"{rewrite.relation} was rewritten, {size(rewrite.bytes)}", statement)
                 for statement in run.statements for rewrite in statement.rewrites)  # fmt: skip
    yield from _largest(rewritten, limits.rewrite, "--max-rewrite", size)
    errors = sum(summary.errors for summary in run.traffic)
    if limits.errors is not None and errors > limits.errors:
        first = next((summary.first_error for summary in run.traffic if summary.errors), None)
        yield f"{errors} errors of the old application, over --max-errors {limits.errors}: {first}"


def _place(lock: Lock) -> str:
    return lock.relation if lock.kind == "table" else f"{lock.kind} {lock.relation}"


def _largest(
    figures: Iterable[tuple[float, str, Statement]], limit: float | None, option: str, say: Callable[[float], str]
) -> Iterator[str]:
    """Yield the line on the largest of (figure, in words, statement), where that is over the limit."""
    largest = max(figures, key=lambda figure: figure[0], default=None)
    if limit is not None and largest is not None and largest[0] > limit:
        _, words, statement = largest
        yield (f"{words}, over {option} {say(limit)} (revision {statement.revision}, statement {statement.number})")
