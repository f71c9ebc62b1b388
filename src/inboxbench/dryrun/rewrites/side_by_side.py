"""A statement and what is proposed instead, each run on a copy of the same rows, under the same traffic."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.model import ClassSummary, Statement, Transaction
from inboxbench.dryrun.more import Comparison
from inboxbench.dryrun.observe.observer import Observer, observed
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.probes.blockers import Blocker, in_the_way
from inboxbench.dryrun.rewrites.steps import ATTEMPTS, LOCK_TIMEOUT, PAUSE_S, Step, Steps
from inboxbench.dryrun.under_traffic import NO_LOAD, Load, watched_traffic
from inboxbench.server import Server
from inboxbench.sqltree.tokens import inlined

LATE = "it was not through within --timeout"


@dataclass(frozen=True, slots=True)
class Trial:
    """Two ways to the same end. blocker: a lock of somebody else that both meet; limit_s: for each of them to end;
    session: what is set before either, as a search_path.
    """

    original: Steps
    instead: Steps
    blocker: Blocker | None = None
    limit_s: float = 3600.0
    session: Steps = ()
    code: str = ""


def compare(server: Server, template: str, trial: Trial, load: Load = NO_LOAD) -> Comparison:
    """Figures of both: longest block of reads and of writes, longest wait for a lock of their own, duration, WAL, peak
    of extra disk (ms and bytes), and under a load the longest time that a lock let a read and a write wait, and
    requests that failed.

    Raises psycopg.Error when one of them fails on these rows, and QueryCanceled when it takes too long.
    """
    first, second = (_measured(server, template, steps, trial, load) for steps in (trial.original, trial.instead))
    return Comparison(trial.code, first, second)


def _measured(server: Server, template: str, steps: Steps, trial: Trial, load: Load) -> dict[str, float]:
    with cloned(server, template) as name:
        conninfo = server.conninfo(name)
        with (
            watched_traffic(conninfo, load) as traffic,
            observed(server, name) as observer,
            connect(conninfo) as connection,
            in_the_way(conninfo, trial.blocker) if trial.blocker else nullcontext(),
            _bounded(connection, trial.limit_s),
        ):
            for setting in trial.session:
                run_step(connection, setting.sql, setting.values)
            play(connection, steps, time.monotonic() + trial.limit_s)
        statements, transactions = observer.observed()
        stalls = _stalls(traffic.summaries(statements, observer.epoch * 1000)) if load.classes else {}
        return _figures(observer, statements, transactions) | stalls


@contextmanager
def _bounded(connection: Connection, seconds: float) -> Iterator[None]:
    """What still runs then is cancelled, whatever statement_timeout the steps have set."""
    timer = threading.Timer(seconds, connection.cancel_safe)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _stalls(classes: Iterable[ClassSummary]) -> dict[str, float]:
    """Waits for a lock alone: without one it is the machine that was busy."""
    figures = {"read_stalled_ms": 0.0, "write_stalled_ms": 0.0, "requests_failed": 0.0}
    for traffic in classes:
        longest = max((stall.duration_ms for stall in traffic.stalls if stall.held), default=0.0)
        figures[f"{traffic.kind}_stalled_ms"] = max(figures[f"{traffic.kind}_stalled_ms"], longest)
        figures["requests_failed"] += traffic.errors
    return figures


def play(connection: Connection, steps: Iterable[Step], deadline: float = math.inf) -> None:
    """Steps that are neither alone, batched nor retried share a transaction with their neighbours. deadline: by
    time.monotonic.
    """
    together: list[Step] = []
    for step in steps:
        _check(deadline)
        if not (step.alone or step.key or step.retry):
            together.append(step)
            continue
        _commit(connection, together)
        together = []
        if step.key:
            _batches(connection, step, deadline)
        elif step.retry:
            _retried(connection, step, deadline)
        else:
            run_step(connection, step.sql, step.values)
    _commit(connection, together)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise psycopg.errors.QueryCanceled(LATE)


def _retried(connection: Connection, step: Step, deadline: float) -> None:
    """Each try is a transaction of its own."""
    for attempt in range(ATTEMPTS):
        _check(deadline)
        try:
            with connection.transaction():
                connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'".encode())
                run_step(connection, step.sql, step.values)
                return
        except psycopg.errors.LockNotAvailable:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(PAUSE_S * 2**attempt)


def _commit(connection: Connection, steps: Sequence[Step]) -> None:
    if steps:
        with connection.transaction():
            for step in steps:
                run_step(connection, step.sql, step.values)


def run_step(connection: Connection, text: str, values: Mapping[str, str]) -> psycopg.Cursor[tuple[Any, ...]]:
    """Raises psycopg.Error with the text, without the values, as its note."""
    try:
        return connection.execute(inlined(text, values).encode())
    except psycopg.Error as problem:
        problem.add_note(text)
        raise


def _batches(connection: Connection, step: Step, deadline: float) -> None:
    after = ""
    while row := run_step(connection, step.sql.replace("{after}", after), step.values).fetchone():
        last = sql.SQL(", ").join(map(sql.Literal, row))
        after = sql.SQL("AND ({}) > ({})").format(_word(step.key), last).as_string(connection)
        _check(deadline)


def _word(name: str) -> sql.SQL:
    return sql.SQL(name)  # quoted by quote_ident already


def _figures(
    observer: Observer, statements: Sequence[Statement], transactions: Sequence[Transaction]
) -> dict[str, float]:
    refused = [statement.duration_ms for statement in statements if "lock timeout" in (statement.error or "")]
    locks = [lock for statement in statements for lock in statement.locks if lock.of_others]
    begin = min((transaction.started_ms for transaction in transactions), default=0.0)
    end = max((transaction.finished_ms for transaction in transactions), default=0.0)
    epoch = observer.epoch * 1000
    return {
        "reads_blocked_ms": max((lock.held_ms for lock in locks if lock.blocks_reads), default=0.0),
        "writes_blocked_ms": max((lock.held_ms for lock in locks if lock.blocks_writes), default=0.0),
        "queued_ms": max((*refused, *(lock.waited_ms for lock in locks)), default=0.0),
        "duration_ms": end - begin,
        "wal_bytes": float(Samples(observer.poll).wal_between(begin + epoch, end + epoch)),
        "peak_bytes": float(max((statement.peak_bytes for statement in statements), default=0)),
        "rows_locked_at_once": float(max((statement.dead_tuples for statement in statements), default=0)),
    }
