"""A rewrite that is run: the original and what is proposed instead, on two copies of the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.dryrun.copy import again
from inboxbench.dryrun.keys import primary_key
from inboxbench.dryrun.modes import conflict
from inboxbench.dryrun.observer import Observer, observed
from inboxbench.dryrun.record import Comparison, DryRun, Finding, Statement
from inboxbench.dryrun.revisions import read_stamp
from inboxbench.dryrun.rules.fix import Step, Steps, as_code, rewrite
from inboxbench.dryrun.rules.operation import Operation, flat, read_operation
from inboxbench.dryrun.rules.text import head_of
from inboxbench.dryrun.sightings import Sightings
from inboxbench.errors import SubjectFailed
from inboxbench.server import Server

At = Callable[[str], AbstractContextManager[str]]
# Rules whose remedy concerns the whole transaction: it is split, and each of its statements rewritten.
_SPLIT = ("backfill-in-ddl-transaction", "lock-held-across-work", "one-transaction")
_NO_VALUES = "the driver sent its values apart from the statement ($1), so it cannot be run again as it stands"


def with_rewrites(run: DryRun, server: Server, at: At) -> DryRun:
    """Findings with both measurements, where a rewrite is known and could be run.

    at: gives a database that nobody is connected to, in the state before a revision; it is copied.
    """
    found: list[Finding] = []
    notes: dict[str, None] = {}
    for finding in run.findings:
        statements = _concerned(run, finding)
        if not statements or finding.suppressed or finding.revision is None:
            found.append(finding)
            continue
        if any("$1" in one.sql for one in statements):
            found.append(finding)
            notes[f"{finding.rule} in revision {finding.revision} is not compared with its rewrite: {_NO_VALUES}"] = (
                None
            )
            continue
        try:
            with at(finding.revision) as database:
                found.append(_tried(server, database, run, finding, statements))
        except SubjectFailed as problem:
            found.append(finding)
            notes[f"rewrites were not run: {problem}"] = None
        except psycopg.Error as problem:
            found.append(finding)
            notes[_untold(finding, problem)] = None
    return replace(run, findings=tuple(found), notes=(*run.notes, *notes))


def compare(server: Server, template: str, original: Steps, instead: Steps) -> Comparison:
    """Figures of both: longest block of reads and of writes, duration, WAL, peak of extra disk (ms and bytes).

    Raises psycopg.Error when one of them fails on these rows.
    """
    return Comparison(as_code(instead), _measured(server, template, original), _measured(server, template, instead))


def _tried(server: Server, database: str, run: DryRun, finding: Finding, statements: Sequence[Statement]) -> Finding:
    """As it was where the rewrite is unknown. Raises psycopg.Error with the step that failed as its note."""
    _replay(server, database, run, statements[0])
    steps = _instead(server, database, finding, statements)
    if steps is None:
        return finding
    compared = compare(server, database, tuple(Step(one.sql) for one in statements), steps)
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
    earlier = [one for one in run.statements if one.revision == first.revision and one.number < first.number]
    with connect(server.conninfo(database)) as connection:
        for one in filter(_ours, earlier):
            if "$1" not in one.sql and not one.sql.lstrip().upper().startswith(("SELECT", "SHOW")):
                _step(connection, one.sql)


def _instead(server: Server, database: str, finding: Finding, statements: Sequence[Statement]) -> Steps | None:
    with connect(server.conninfo(database)) as connection:
        rewritten = [rewrite(one.sql, _key(connection, read_operation(one.sql))) for one in statements]
    if finding.rule not in _SPLIT:
        return rewritten[0]
    kept = (Step(flat(one.sql), alone=True) for one in statements)
    return tuple(step for steps, own in zip(rewritten, kept, strict=True) for step in steps or (own,))


def _key(connection: Connection, operation: Operation | None) -> str:
    return primary_key(connection, operation.table) if operation else ""


def _measured(server: Server, template: str, steps: Steps) -> dict[str, float]:
    with again(server, template) as name:
        with observed(server, name) as observer, connect(server.conninfo(name)) as connection:
            play(connection, steps)
        return _figures(observer)


def play(connection: Connection, steps: Iterable[Step]) -> None:
    """Steps that are neither alone nor batched share a transaction with those beside them."""
    together: list[Step] = []
    for step in steps:
        if not (step.alone or step.key):
            together.append(step)
            continue
        _commit(connection, together)
        together = []
        if step.key:
            _batches(connection, step)
        else:
            _step(connection, step.sql)
    _commit(connection, together)


def _commit(connection: Connection, steps: Sequence[Step]) -> None:
    if steps:
        with connection.transaction():
            for step in steps:
                _step(connection, step.sql)


def _step(connection: Connection, text: str) -> psycopg.Cursor[tuple[Any, ...]]:
    """Raises psycopg.Error with the text as its note."""
    try:
        return connection.execute(text.encode())
    except psycopg.Error as problem:
        problem.add_note(text)
        raise


def _batches(connection: Connection, step: Step) -> None:
    after = ""
    while row := _step(connection, step.sql.replace("{after}", after)).fetchone():
        last = sql.SQL(", ").join(map(sql.Literal, row))
        after = sql.SQL("AND ({}) > ({})").format(_word(step.key), last).as_string(connection)


def _word(name: str) -> sql.SQL:
    return sql.SQL(name)  # quoted by quote_ident already


def _figures(observer: Observer) -> dict[str, float]:
    statements, transactions = observer.observed()
    locks = [lock for one in statements for lock in one.locks if lock.kind == "table" and not lock.created]
    begin = min((one.started_ms for one in transactions), default=0.0)
    end = max((one.finished_ms for one in transactions), default=0.0)
    epoch = observer.epoch * 1000
    return {
        "reads_blocked_ms": max((one.held_ms for one in locks if conflict("ACCESS SHARE", one.mode)), default=0.0),
        "writes_blocked_ms": max((one.held_ms for one in locks if conflict("ROW EXCLUSIVE", one.mode)), default=0.0),
        "duration_ms": end - begin,
        "wal_bytes": float(Sightings(observer.poll).wal_between(begin + epoch, end + epoch)),
        "peak_bytes": float(max((one.peak_bytes for one in statements), default=0)),
        "rows_locked_at_once": float(max((one.dead_tuples for one in statements), default=0)),
    }
