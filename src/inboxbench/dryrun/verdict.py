"""May this ship? One sentence by the limits that were given or the defaults, the worst thing, and what to do first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from inboxbench.dryrun.limits import Limits, broken
from inboxbench.dryrun.model import DryRun, Finding, Lock, Statement, Verdict
from inboxbench.dryrun.output.annotations import place_of, statement_of
from inboxbench.dryrun.row_work import rows_changed
from inboxbench.dryrun.rules.checks import head
from inboxbench.units import millis

DEFAULTS = Limits(stall=1_000.0, lock_hold=1_000.0, errors=0)
_STATED = (
    "no limit was given, so that a finding that is an error, a request that fails, and a lock or a wait beyond 1 s are "
    "too much"
)
_SEVERITIES = ("error", "warning", "note")


def with_verdict(run: DryRun, limits: Limits) -> DryRun:
    """Return the run with the answer that every output begins with."""
    return replace(run, verdict=judge(run, limits))


def judge(run: DryRun, limits: Limits) -> Verdict:
    """Return the answer. Findings that their revision suppresses with a reason count for nothing."""
    given = limits != Limits()
    lines = list(broken(run, limits if given else DEFAULTS))
    ranked = sorted(
        (finding for finding in run.findings if not finding.suppressed), key=lambda finding: _rank(run, finding)
    )
    errors = [finding for finding in ranked if finding.severity == "error"]
    against = list(_against(run, len(lines), len(errors), given=given))
    by = "" if run.error else " (by the limits that were given)" if given else f" ({_STATED})"
    failed = next((finding for finding in ranked if _failed(run, finding)), None)
    worst = failed if run.error else next(iter(ranked), None)
    if against:
        answer = f"No: {', and '.join(against)}{by}."
        return Verdict(False, answer, _worst(run, worst, lines), _first(run, worst or next(iter(ranked), None)))
    left = f", with {len(ranked)} finding{'s' if len(ranked) > 1 else ''} to read first" if ranked else ""
    return Verdict(True, f"Yes{left}{by}.", _worst(run, worst, []), _first(run, worst))


def _failed(run: DryRun, finding: Finding) -> bool:
    statement = statement_of(run, finding)
    return statement is not None and statement.error is not None


def _against(run: DryRun, limits: int, errors: int, *, given: bool) -> Iterator[str]:
    if run.error:
        failed = [revision.revision for revision in run.revisions if revision.error]
        yield f"revision {failed[0]} fails" if failed else "the history does not reach its end"
        return
    if limits:
        yield f"{limits} limit{'s are' if limits > 1 else ' is'} broken"
    if errors and not given:
        yield f"{errors} finding{'s are errors' if errors > 1 else ' is an error'}"


def _rank(run: DryRun, finding: Finding) -> tuple[int, float, float]:
    """Order by severity, then by how long readers and then writers were kept out."""
    statement = statement_of(run, finding)
    locks = [lock for lock in statement.locks if lock.keeps_out] if statement else []
    reads = max((lock.held_ms for lock in locks if lock.blocks_reads), default=0.0)
    return _SEVERITIES.index(finding.severity), -reads, -max((lock.held_ms for lock in locks), default=0.0)


def _worst(run: DryRun, finding: Finding | None, lines: list[str]) -> str:
    """Return what is worst: a finding, a failure, a broken limit, or the longest lock of a history that is fine."""
    if finding:
        return finding.what
    said = next(iter(lines), None) if run.error is None else run.error.rstrip(".")
    return f"{said[:1].upper()}{said[1:]}." if said else _longest(run)


def _longest(run: DryRun) -> str:
    held: list[tuple[Statement, Lock]] = [
        (statement, lock) for statement in run.statements for lock in statement.locks if lock.keeps_out
    ]
    if not held:
        return f"No lock on what was there before was seen that keeps others out{_of_rows(run)}."
    statement, lock = max(held, key=lambda pair: pair[1].held_ms)
    return f"The longest lock was {lock.mode} on {lock.titled} for {millis(lock.held_ms)}, by {head(statement)}."


def _of_rows(run: DryRun) -> str:
    """Return a clause on the locks of single rows, which no sample of locks shows."""
    rows = sum(rows_changed(statement) for statement in run.statements if not statement.stamps)
    waited = max(run.traffic, key=lambda summary: summary.blocked_ms, default=None)
    changed = f"; {rows:,} rows were changed, each locked until its transaction ended" if rows else ""
    if waited is None or waited.blocked_ms < 1:
        return changed
    return f"{changed}; {waited.name} waited {millis(waited.blocked_ms)} for locks in all"


def _first(run: DryRun, finding: Finding | None) -> str:
    """Return the remedy of the worst finding, with the place where it belongs."""
    if finding is None:
        return ""
    file, line = place_of(run, finding)
    place = f" ({file}:{line})" if file and line else f" ({file})" if file else ""
    where = f"In {finding.where}{place}: " if finding.where else ""
    return f"{where}{finding.instead if where else finding.instead[:1].upper() + finding.instead[1:]}"
