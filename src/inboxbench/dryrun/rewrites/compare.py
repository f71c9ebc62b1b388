"""A rewrite that is run: the original and what is proposed instead, on two copies of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import psycopg

from inboxbench.dryrun.model import DryRun, Finding, Statement
from inboxbench.dryrun.observe.lock_modes import conflict
from inboxbench.dryrun.observe.log_statements import has_values, inlined
from inboxbench.dryrun.probes.blockers import Blocker
from inboxbench.dryrun.rewrites.catalogue import with_references
from inboxbench.dryrun.rewrites.proposal import FOREIGN_KEY, QUEUED, SPLIT, steps_instead
from inboxbench.dryrun.rewrites.session_settings import connected, session_of
from inboxbench.dryrun.rewrites.side_by_side import LATE, Trial, compare, run_step
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.dryrun.rules.messages import head_of
from inboxbench.dryrun.tools.attribution import read_stamp
from inboxbench.dryrun.tools.command import TIMEOUT_S
from inboxbench.dryrun.under_traffic import Load
from inboxbench.errors import InboxbenchError
from inboxbench.server import Server

At = Callable[[str], AbstractContextManager[str]]
Beside = Callable[[str], Load]
_NO_VALUES = "a statement of it has values ($1) that the log does not show, so it cannot be run again"
_READER, _WRITER = "ACCESS SHARE", "ROW EXCLUSIVE"
_SHORTEST_S, _LONGEST_S = 0.5, 3.0  # that a blocker keeps its lock


def with_rewrites(
    run: DryRun, server: Server, at: At, beside: Beside | None = None, limit_s: float = TIMEOUT_S
) -> DryRun:
    """Findings with both measurements, where a rewrite is known and could be run.

    at: gives a database that nobody is connected to, in the state before a revision; it is copied. beside: the traffic
    for such a database, under which both are run; None for none. limit_s: for each of them to end.
    """
    found: list[Finding] = []
    notes: dict[str, None] = {}
    for finding in run.findings:
        statements = _concerned(run, finding)
        if not statements or finding.suppressed or finding.revision is None:
            found.append(finding)
            continue
        if any(has_values(inlined(one.sql, one.values)) for one in (*statements, *_before(run, statements[0]))):
            found.append(finding)
            notes[f"{finding.rule} in revision {finding.revision} is not compared with its rewrite: {_NO_VALUES}"] = (
                None
            )
            continue
        try:
            with at(finding.revision) as database:
                load = beside(database) if beside else None
                found.append(_tried(server, database, run, finding, statements, load=load, limit_s=limit_s))
        except InboxbenchError as problem:  # a copy that does not fit, a server that died: the run is worth more
            found.append(finding)
            notes[f"rewrites were not run: {problem}"] = None
        except psycopg.Error as problem:
            found.append(finding)
            hidden = any(one.values for one in (*statements, *_before(run, statements[0])))
            notes[_untold(finding, problem, hidden=hidden)] = None
    return replace(run, findings=tuple(found), notes=(*run.notes, *notes))


def _tried(
    server: Server,
    database: str,
    run: DryRun,
    finding: Finding,
    statements: Sequence[Statement],
    *,
    load: Load | None,
    limit_s: float,
) -> Finding:
    """As it was where the rewrite is unknown. Raises psycopg.Error with the step that failed as its note."""
    session = session_of(run, statements[0])
    _replay(server, database, run, statements[0], session)
    instead = steps_instead(server, database, finding, statements, session)
    if instead is None:
        return finding
    blocker = _blocker(statements[-1]) if finding.rule == QUEUED else None
    if finding.rule == QUEUED and blocker is None:
        return finding
    original = tuple(Step(one.sql, values=one.values) for one in statements)
    steps = tuple(replace(step, values=one.values) for one, steps in instead for step in steps)
    trial = Trial(original, steps, blocker, limit_s, session)
    compared = compare(server, database, trial, load)
    return replace(finding, code=compared.code, compared=compared)


def _blocker(statement: Statement) -> Blocker | None:
    """Somebody who has a lock that it waits for, about as long as it did wait.

    None where it waited for an index or a TOAST table, which nobody can lock by name.
    """
    tables = (lock for lock in statement.locks if lock.kind == "table" and lock.waited_ms)
    lock = max(tables, key=lambda lock: lock.waited_ms, default=None)
    if lock is None:
        return None
    mode = _READER if conflict(_READER, lock.mode) else _WRITER
    return Blocker(lock.relation, mode, min(max(lock.waited_ms / 1000, _SHORTEST_S), _LONGEST_S))


def _untold(finding: Finding, problem: psycopg.Error, *, hidden: bool) -> str:
    """Why a finding has no comparison: the step that failed, and the server's words unless these could show values."""
    step = f" ({head_of(problem.__notes__[0])})" if getattr(problem, "__notes__", None) else ""
    said = f"{type(problem).__name__} ({problem.sqlstate})" if hidden else str(problem).strip().partition("\n")[0]
    said = said.replace("canceling statement due to user request", LATE)
    return (
        f"{finding.rule} in revision {finding.revision} is not compared with its rewrite: a step failed{step}: {said}"
    )


def _concerned(run: DryRun, finding: Finding) -> list[Statement]:
    """Statements to run again as one transaction."""
    one = next((one for one in run.statements if one.number == finding.statement), None)
    if one is None or one.error:
        return []
    mine = [one]
    if finding.rule in SPLIT:
        mine = [other for other in run.statements if other.transaction == one.transaction]
        mine = [other for other in mine if other.revision == one.revision and _ours(other)]
    if finding.rule == FOREIGN_KEY:
        earlier = [other for other in _before(run, one) if other.transaction == one.transaction]
        if inline := with_references([other.sql for other in earlier], one.sql):
            mine = [*earlier[inline[0] :], one]
    return mine


def _ours(statement: Statement) -> bool:
    return not statement.error and read_stamp(statement.sql) is None


def _replay(server: Server, database: str, run: DryRun, first: Statement, session: Steps) -> None:
    """What the revision had done before the statement."""
    with connected(server, database, session) as connection:
        for one in _before(run, first):
            run_step(connection, one.sql, one.values)


def _before(run: DryRun, first: Statement) -> list[Statement]:
    """Statements of its revision that may have changed something; a SELECT that locks or writes nothing has not."""
    earlier = (one for one in run.statements if one.revision == first.revision and one.number < first.number)
    return [one for one in earlier if _ours(one) and not _only_reads(one)]


def _only_reads(statement: Statement) -> bool:
    reads = statement.sql.lstrip().upper().startswith(("SELECT", "SHOW"))
    return reads and not statement.wal_bytes and all(lock.mode == "ACCESS SHARE" for lock in statement.locks)
