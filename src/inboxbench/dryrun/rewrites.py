"""A rewrite that is run: the original and what is proposed instead, on two copies of the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.dryrun.chain import TIMEOUT_S
from inboxbench.dryrun.comparison import LATE, Trial, compare, run_step
from inboxbench.dryrun.dependents import dependents
from inboxbench.dryrun.holders import Blocker
from inboxbench.dryrun.keys import primary_key
from inboxbench.dryrun.live import Load
from inboxbench.dryrun.modes import conflict
from inboxbench.dryrun.record import DryRun, Finding, Statement
from inboxbench.dryrun.revisions import read_stamp
from inboxbench.dryrun.rules.fact import is_work
from inboxbench.dryrun.rules.fix import rewrite, with_references
from inboxbench.dryrun.rules.operation import Operation, flat, read_operation
from inboxbench.dryrun.rules.retype import Dependents
from inboxbench.dryrun.rules.step import Step, Steps
from inboxbench.dryrun.rules.text import head_of
from inboxbench.dryrun.trace import bare, has_values, inlined
from inboxbench.errors import InboxbenchError
from inboxbench.server import Server

At = Callable[[str], AbstractContextManager[str]]
Beside = Callable[[str], Load]
# Rules whose remedy concerns the whole transaction: it is split, and each of its statements rewritten.
_SPLIT = ("backfill-in-ddl-transaction", "lock-held-across-work", "one-transaction")
_QUEUED, _FOREIGN_KEY = "no-lock-timeout", "foreign-key-validated"
_NO_VALUES = "a statement of it has values ($1) that the log does not show, so it cannot be run again"
_SETS = re.compile(
    r"SET\s+(?P<local>LOCAL\s+)?(SESSION\s+)?"
    r"(?!(LOCAL|SESSION|TRANSACTION|CONSTRAINTS|AUTHORIZATION|CHARACTERISTICS|\w*_timeout)\b)\S|"
    r"SELECT\s+(pg_catalog\.)?set_config\(\s*'(?!\w*_timeout')(?=.*,\s*false\s*\)$)",
    re.IGNORECASE | re.DOTALL,
)
_SETS_LOCAL = re.compile(r"SET\s+LOCAL\s+(?=(?P<name>[\w.]+))", re.IGNORECASE)
# What has a meaning only beside the rest of its transaction.
_TOGETHER = re.compile(
    r"^(LOCK|SAVEPOINT|RELEASE|ROLLBACK|DECLARE|FETCH|SET CONSTRAINTS|SET TRANSACTION)\b|\bON COMMIT\b|"
    r"\bFOR (NO KEY )?(UPDATE|SHARE)\b|\bset_config\(.*,\s*true\s*\)|_xact_",
    re.IGNORECASE | re.DOTALL,
)
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
    session = _session(run, statements[0])
    _replay(server, database, run, statements[0], session)
    instead = _instead(server, database, finding, statements, session)
    if instead is None:
        return finding
    blocker = _blocker(statements[-1]) if finding.rule == _QUEUED else None
    if finding.rule == _QUEUED and blocker is None:
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
    if finding.rule in _SPLIT:
        mine = [other for other in run.statements if other.transaction == one.transaction]
        mine = [other for other in mine if other.revision == one.revision and _ours(other)]
    if finding.rule == _FOREIGN_KEY:
        earlier = [other for other in _before(run, one) if other.transaction == one.transaction]
        if inline := with_references([other.sql for other in earlier], one.sql):
            mine = [*earlier[inline[0] :], one]
    return mine


def _ours(statement: Statement) -> bool:
    return not statement.error and read_stamp(statement.sql) is None


def _session(run: DryRun, first: Statement) -> Steps:
    """What its session had set by then and still has, but for what ends a statement: a search_path, a role."""
    found = []
    for one in run.statements:
        mine = one.pid == first.pid and one.number < first.number and not one.error
        said = _SETS.match(bare(one.sql)) if mine else None
        if said and (not said["local"] or one.transaction == first.transaction):
            text = bare(one.sql) if not said["local"] else bare(one.sql).replace(said["local"], "", 1)
            found.append(Step(text, values=one.values))
    return tuple(one for one in found if not has_values(inlined(one.sql, one.values)))


def _replay(server: Server, database: str, run: DryRun, first: Statement, session: Steps) -> None:
    """What the revision had done before the statement."""
    with _connected(server, database, session) as connection:
        for one in _before(run, first):
            run_step(connection, one.sql, one.values)


def _before(run: DryRun, first: Statement) -> list[Statement]:
    """Statements of its revision that may have changed something; a SELECT that locks or writes nothing has not."""
    earlier = (one for one in run.statements if one.revision == first.revision and one.number < first.number)
    return [one for one in earlier if _ours(one) and not _only_reads(one)]


def _only_reads(statement: Statement) -> bool:
    reads = statement.sql.lstrip().upper().startswith(("SELECT", "SHOW"))
    return reads and not statement.wal_bytes and all(lock.mode == "ACCESS SHARE" for lock in statement.locks)


def _instead(
    server: Server, database: str, finding: Finding, statements: Sequence[Statement], session: Steps
) -> list[tuple[Statement, Steps]] | None:
    """Steps beside the statement whose values they need."""
    last = statements[-1]
    if finding.rule == _QUEUED:
        return [(last, (Step(bare(last.sql), retry=True),))]
    if len(statements) > 1 and finding.rule == _FOREIGN_KEY:
        inline = with_references([one.sql for one in statements[:-1]], last.sql)
        return [*((one, (Step(one.sql),)) for one in statements[1:-1]), (last, inline[1] if inline else ())]
    with _connected(server, database, session) as connection:
        if finding.rule not in _SPLIT:
            rewritten = _rewritten(connection, last.sql)
            return None if rewritten is None else [(last, rewritten)]
        if any(_TOGETHER.search(flat(one.sql)) for one in statements):
            return None
        return [(one, _alone(connection, one)) for one in statements] + [(last, _reset(statements))]


def _alone(connection: Connection, one: Statement) -> Steps:
    """A statement of a transaction that is split: what did work as its rewrite, the rest as it is."""
    if said := _SETS_LOCAL.match(bare(one.sql)):
        return (Step(f"SET {bare(one.sql)[said.end() :]}", alone=True),)
    operation = read_operation(one.sql)
    worth = is_work(one) or (operation is not None and operation.kind == "drop index")
    return (_rewritten(connection, one.sql) if worth else None) or (Step(bare(one.sql), alone=True),)


def _reset(statements: Sequence[Statement]) -> Steps:
    """What was set for the transaction alone."""
    names = [said["name"] for one in statements if (said := _SETS_LOCAL.match(bare(one.sql)))]
    return tuple(Step(f"RESET {name}", alone=True) for name in dict.fromkeys(names))


@contextmanager
def _connected(server: Server, database: str, session: Steps) -> Iterator[Connection]:
    with connect(server.conninfo(database)) as connection:
        for setting in session:
            run_step(connection, setting.sql, setting.values)
        yield connection


def _rewritten(connection: Connection, text: str) -> Steps | None:
    """By what the catalogue says of its table."""
    operation = read_operation(text)
    if operation is None:
        return None
    return rewrite(text, primary_key(connection, operation.table), _hung(connection, operation))


def _hung(connection: Connection, operation: Operation) -> Dependents | None:
    return dependents(connection, operation.table, operation.column) if operation.kind == "type" else None
