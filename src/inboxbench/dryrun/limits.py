"""Limits that a rehearsal must keep, and the lines that say which it broke."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inboxbench import units
from inboxbench.dryrun.model import MODES, DryRun, Lock
from inboxbench.units import millis


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. stall and lock_hold in ms, wal and rewrite in bytes, errors a count of traffic's errors."""

    stall: float | None = None
    lock_hold: float | None = None
    wal: float | None = None
    rewrite: float | None = None
    errors: int | None = None


def blocks(lock: Lock) -> bool:
    """Whether it keeps readers or writers of a table out that was there before: SHARE and stronger."""
    return not lock.created and lock.kind == "table" and MODES.index(lock.mode) >= MODES.index("SHARE")


def broken(run: DryRun, limits: Limits) -> list[str]:
    """One line a limit that was passed, with where."""
    return [line for line in _broken(run, limits) if line]


def _broken(run: DryRun, limits: Limits) -> Iterator[str | None]:
    if limits.stall is not None:
        worst = max(run.traffic, key=lambda felt: felt.max_stall_ms, default=None)
        if worst is not None and worst.max_stall_ms > limits.stall:
            yield f"{worst.name} stalled for {millis(worst.max_stall_ms)}, over --max-stall {millis(limits.stall)}"
    if limits.lock_hold is not None:
        yield _lock_hold(run, limits.lock_hold)
    written = sum(statement.wal_bytes for statement in run.statements)
    if limits.wal is not None and written > limits.wal:
        yield f"{units.size(written)} of WAL, over --max-wal {units.size(limits.wal)}"
    if limits.rewrite is not None:
        yield _rewrite(run, limits.rewrite)
    errors = sum(felt.errors for felt in run.traffic)
    if limits.errors is not None and errors > limits.errors:
        first = next((felt.first_error for felt in run.traffic if felt.errors), None)
        yield f"{errors} errors of the old application, over --max-errors {limits.errors}: {first}"


def _lock_hold(run: DryRun, limit: float) -> str | None:
    held = [(lock.held_ms, lock, one) for one in run.statements for lock in one.locks if blocks(lock)]
    if not held:
        return None
    longest, lock, statement = max(held, key=lambda item: item[0])
    if longest <= limit:
        return None
    return (
        f"{lock.mode} on {lock.relation} was held for {millis(longest)}, over --max-lock-hold {millis(limit)} "
        f"(revision {statement.revision}, statement {statement.number})"
    )


def _rewrite(run: DryRun, limit: float) -> str | None:
    found = [(rewrite.bytes, rewrite, one) for one in run.statements for rewrite in one.rewrites]
    if not found:
        return None
    most, rewrite, statement = max(found, key=lambda item: item[0])
    if most <= limit:
        return None
    return (
        f"{rewrite.relation} was rewritten, {units.size(most)}, over --max-rewrite {units.size(limit)} "
        f"(revision {statement.revision}, statement {statement.number})"
    )
