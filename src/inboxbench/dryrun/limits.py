"""Limits that a rehearsal must keep, and the lines that say which it broke."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from inboxbench.dryrun.model import MODES, DryRun, Lock
from inboxbench.errors import UsageError

_TIMES = {"ms": 1.0, "s": 1000.0, "min": 60_000.0}
_SIZES = {"B": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3, "TB": 1000**4}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit. stall and lock_hold in ms, wal and rewrite in bytes, errors a count of traffic's errors."""

    stall: float | None = None
    lock_hold: float | None = None
    wal: float | None = None
    rewrite: float | None = None
    errors: int | None = None


def read_time(text: str) -> float:
    """`500ms`, `2s`, `1.5min` in ms. Raises UsageError."""
    return _read(text, _TIMES, "a time like 500ms, 2s or 1min")


def read_size(text: str) -> float:
    """`100MB`, `1GB` in bytes. Raises UsageError."""
    return _read(text, _SIZES, "a size like 100MB or 1GB")


def _read(text: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    found = _QUANTITY.fullmatch(text)
    by_lower = {unit.lower(): factor for unit, factor in units.items()}
    if found is None or found[2].lower() not in by_lower:
        raise UsageError(f"{text!r} is not {example}")
    return float(found[1]) * by_lower[found[2].lower()]


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
            yield f"{worst.name} stalled for {worst.max_stall_ms:.0f} ms, over --max-stall {limits.stall:.0f} ms"
    if limits.lock_hold is not None:
        yield _lock_hold(run, limits.lock_hold)
    written = sum(statement.wal_bytes for statement in run.statements)
    if limits.wal is not None and written > limits.wal:
        yield f"{written / 1e6:.1f} MB of WAL, over --max-wal {limits.wal / 1e6:.1f} MB"
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
        f"{lock.mode} on {lock.relation} was held for {longest:.0f} ms, over --max-lock-hold {limit:.0f} ms "
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
        f"{rewrite.relation} was rewritten, {most / 1e6:.1f} MB, over --max-rewrite {limit / 1e6:.1f} MB "
        f"(revision {statement.revision}, statement {statement.number})"
    )
