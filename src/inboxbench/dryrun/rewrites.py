"""A rewrite that is run: the original and what is proposed instead, on two copies of the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import psycopg

from inboxbench.database import Connection, connect
from inboxbench.dryrun.comparison import compare, run_step
from inboxbench.dryrun.keys import primary_key
from inboxbench.dryrun.live import Load
from inboxbench.dryrun.record import DryRun, Finding, Statement
from inboxbench.dryrun.revisions import read_stamp
from inboxbench.dryrun.rules.fix import Step, Steps, rewrite
from inboxbench.dryrun.rules.operation import Operation, flat, read_operation
from inboxbench.dryrun.rules.text import head_of
from inboxbench.errors import SubjectFailed
from inboxbench.server import Server

At = Callable[[str], AbstractContextManager[str]]
Beside = Callable[[str], Load]
# Rules whose remedy concerns the whole transaction: it is split, and each of its statements rewritten.
_SPLIT = ("backfill-in-ddl-transaction", "lock-held-across-work", "one-transaction")
_LITERALS = re.compile(r"\$([A-Za-z_]\w*|)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
_NO_VALUES = "the driver sent values apart from a statement ($1) of it, which cannot be run again as it stands"


def with_rewrites(run: DryRun, server: Server, at: At, beside: Beside | None = None) -> DryRun:
    """Findings with both measurements, where a rewrite is known and could be run.

    at: gives a database that nobody is connected to, in the state before a revision; it is copied. beside: the traffic
    for such a database, under which both are run; None for none.
    """
    found: list[Finding] = []
    notes: dict[str, None] = {}
    for finding in run.findings:
        statements = _concerned(run, finding)
        if not statements or finding.suppressed or finding.revision is None:
            found.append(finding)
            continue
        if any(has_values(one.sql) for one in (*statements, *_before(run, statements[0]))):
            found.append(finding)
            notes[f"{finding.rule} in revision {finding.revision} is not compared with its rewrite: {_NO_VALUES}"] = (
                None
            )
            continue
        try:
            with at(finding.revision) as database:
                load = beside(database) if beside else None
                found.append(_tried(server, database, run, finding, statements, load=load))
        except SubjectFailed as problem:
            found.append(finding)
            notes[f"rewrites were not run: {problem}"] = None
        except psycopg.Error as problem:
            found.append(finding)
            notes[_untold(finding, problem)] = None
    return replace(run, findings=tuple(found), notes=(*run.notes, *notes))


def _tried(
    server: Server, database: str, run: DryRun, finding: Finding, statements: Sequence[Statement], *, load: Load | None
) -> Finding:
    """As it was where the rewrite is unknown. Raises psycopg.Error with the step that failed as its note."""
    _replay(server, database, run, statements[0])
    steps = _instead(server, database, finding, statements)
    if steps is None:
        return finding
    compared = compare(server, database, tuple(Step(one.sql) for one in statements), steps, load)
    return replace(finding, code=compared.code, compared=compared)


def _untold(finding: Finding, problem: psycopg.Error) -> str:
    """Why a finding has no comparison: the step that failed, and the server's words."""
    step = f" ({head_of(problem.__notes__[0])})" if getattr(problem, "__notes__", None) else ""
    said = str(problem).strip().partition("\n")[0]
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
    return mine


def _ours(statement: Statement) -> bool:
    return not statement.error and read_stamp(statement.sql) is None


def _replay(server: Server, database: str, run: DryRun, first: Statement) -> None:
    """What the revision had done before the statement."""
    with connect(server.conninfo(database)) as connection:
        for one in _before(run, first):
            run_step(connection, one.sql)


def _before(run: DryRun, first: Statement) -> list[Statement]:
    """Statements of its revision that may have changed something; a SELECT that locks or writes nothing has not."""
    earlier = (one for one in run.statements if one.revision == first.revision and one.number < first.number)
    return [one for one in earlier if _ours(one) and not _only_reads(one)]


def _only_reads(statement: Statement) -> bool:
    reads = statement.sql.lstrip().upper().startswith(("SELECT", "SHOW"))
    return reads and not statement.wal_bytes and all(lock.mode == "ACCESS SHARE" for lock in statement.locks)


def has_values(sql: str) -> bool:
    """Whether it has placeholders, beside literals and the bodies of functions.

    >>> has_values("UPDATE t SET a = $1"), has_values("CREATE FUNCTION f(int) … AS 'SELECT $1'")
    (True, False)
    """
    return re.search(r"\$\d", _LITERALS.sub("", sql)) is not None


def _instead(server: Server, database: str, finding: Finding, statements: Sequence[Statement]) -> Steps | None:
    with connect(server.conninfo(database)) as connection:
        rewritten = [rewrite(one.sql, _key(connection, read_operation(one.sql))) for one in statements]
    if finding.rule not in _SPLIT:
        return rewritten[0]
    kept = (Step(flat(one.sql), alone=True) for one in statements)
    return tuple(step for steps, own in zip(rewritten, kept, strict=True) for step in steps or (own,))


def _key(connection: Connection, operation: Operation | None) -> str:
    return primary_key(connection, operation.table) if operation else ""
