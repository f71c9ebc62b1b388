"""A stall names the statement and the lock that caused it, also through a queue, also for a row."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.database import Connection
from inboxbench.dryrun.model import ClassSummary, Lock, Statement
from inboxbench.dryrun.stalls.lock_waits import Wait, Waits, watch_waits
from inboxbench.dryrun.stalls.summary import summarise
from inboxbench.traffic.clock import wall_clock
from inboxbench.traffic.engine import RequestClass, Traffic, live_traffic

if TYPE_CHECKING:
    from tests.conftest import Database

# How long a request waits at least. Locks are held for longer: a request is due up to 20 ms after a lock was taken, and
# two clocks are compared.
HELD_MS = 300
KEPT_MS = HELD_MS + 100


def _nothing(_random: Random) -> dict[str, Any]:
    return {}


READ = RequestClass("read", "read", 1, ("SELECT * FROM things WHERE id = 1",), _nothing)
INSERT = RequestClass("insert", "write", 1, ("INSERT INTO things VALUES (0, 'x')",), _nothing, undo=True)
UPDATE = RequestClass("update", "write", 1, ("UPDATE things SET name = name WHERE id = 1",), _nothing, undo=True)


@dataclass
class Chain:
    """A session that plays the chain, its statements recorded as an observer would."""

    connection: Connection
    now: Callable[[], float]
    origin: float = 0.0
    statements: list[Statement] = field(default_factory=list)

    def run(self, sql: str, *locks: Lock, transaction: int = 1) -> None:
        started, error = self.now(), None
        try:
            self.connection.execute(sql.encode())
        except psycopg.Error as problem:
            error = str(problem)
        pid = self.connection.info.backend_pid
        times = (started - self.origin, self.now() - started)
        number = len(self.statements) + 1
        taken = tuple(replace(lock, taken_ms=times[0]) for lock in locks)
        self.statements.append(Statement(number, "r1", sql, pid, transaction, *times, locks=taken, error=error))
        if sql == "COMMIT":
            self.statements = [self._held(statement, sum(times)) for statement in self.statements]

    @staticmethod
    def _held(statement: Statement, until_ms: float) -> Statement:
        held = (replace(lock, held_ms=until_ms - lock.taken_ms) for lock in statement.locks)
        return replace(statement, locks=tuple(held))


@dataclass
class Run:
    chain: Chain
    traffic: Traffic
    waits: Waits

    def felt(self) -> dict[str, ClassSummary]:
        return {one.name: one for one in summarise(self.traffic, self.waits, self.chain.statements, self.chain.origin)}

    def until_waiting(self, pids: Callable[[], set[int]], after_ms: float | None = None) -> None:
        """Until one of them has waited as long as we hold a lock, or has begun to wait since a moment."""

        def enough(wait: Wait) -> bool:
            return wait.since_ms > after_ms if after_ms is not None else wait.last_ms - wait.since_ms > KEPT_MS

        while not any(enough(wait) for pid in pids() for wait in self.waits.seen.get(pid, ())):
            assert self.waits.problem is None
            time.sleep(0.005)


@contextmanager
def _run(database: Database, *classes: RequestClass, rate: float = 100) -> Iterator[Run]:
    with (
        database.connect() as connection,
        watch_waits(database.conninfo) as waits,
        live_traffic(database.conninfo, classes, rate=rate) as traffic,
    ):
        now = wall_clock()
        yield Run(Chain(connection, now, now()), traffic, waits)


@pytest.fixture
def things(database: Database) -> Database:
    with database.connect() as connection:
        connection.execute("CREATE TABLE things (id int, name text)")
        connection.execute("INSERT INTO things SELECT n, 'thing' FROM generate_series(1, 1000) n")
    return database


def test_an_index_built_without_concurrently_stalls_inserts_and_no_reads(things: Database) -> None:
    with _run(things, READ, INSERT) as run:
        run.chain.run("BEGIN")
        run.chain.run("CREATE INDEX things_name ON things (name)", Lock("public.things", "table", "SHARE", 0, 0))
        run.chain.run(f"SELECT pg_sleep({KEPT_MS / 1000})")
        run.chain.run("COMMIT")
    felt = run.felt()
    assert felt["read"].blocked_ms == 0
    assert not [stall for stall in felt["read"].stalls if stall.held]
    held_ms = run.chain.statements[1].locks[0].held_ms
    assert HELD_MS <= felt["insert"].blocked_ms <= held_ms
    worst = max(felt["insert"].stalls, key=lambda stall: stall.duration_ms)
    assert worst.duration_ms >= HELD_MS
    assert (worst.statement, worst.relation, worst.wanted, worst.held) == (2, "public.things", "ROW EXCLUSIVE", "SHARE")
    assert not worst.queued
    assert worst.requests > 1
    assert felt["insert"].errors == felt["read"].errors == 0


def test_ddl_that_queues_behind_a_long_reader_stalls_the_readers_behind_it(things: Database) -> None:
    """ADD COLUMN has no lock yet; that it waits for one is what stops everybody."""
    with things.connect() as reader, _run(things, READ) as run:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM things")
        lock = Lock("public.things", "table", "ACCESS EXCLUSIVE", 0, 0)
        ddl = threading.Thread(target=run.chain.run, args=("ALTER TABLE things ADD note text", lock))
        ddl.start()
        run.until_waiting(lambda: set(run.traffic.pids))
        reader.execute("COMMIT")
        ddl.join()
        behind = f"pid {reader.info.backend_pid}"
    felt = run.felt()["read"]
    worst = max(felt.stalls, key=lambda stall: stall.duration_ms)
    assert worst.duration_ms >= HELD_MS
    assert (worst.statement, worst.wanted, worst.held) == (1, "ACCESS SHARE", "ACCESS EXCLUSIVE")
    assert (worst.relation, worst.queued, worst.behind) == ("public.things", True, behind)
    assert felt.queued_ms >= HELD_MS  # nobody had the lock yet
    assert felt.blocked_ms < felt.queued_ms
    assert felt.errors == 0


def test_the_backlog_behind_a_lock_is_queued_and_never_longer_than_it_was_held(things: Database) -> None:
    """Each insert takes longer than the next one is away: the queue that a lock has made lasts when it is gone."""
    slow = replace(INSERT, statements=(*INSERT.statements, "SELECT pg_sleep(0.1)"))
    with _run(things, slow, rate=200) as run:
        run.chain.run("BEGIN")
        run.chain.run("LOCK TABLE things IN SHARE MODE", Lock("public.things", "table", "SHARE", 0, 0))
        run.until_waiting(lambda: set(run.traffic.pids))
        run.chain.run("COMMIT")
        time.sleep(0.3)
    felt, held_ms = run.felt()[slow.name], run.chain.statements[1].locks[0].held_ms
    assert HELD_MS <= felt.blocked_ms <= held_ms
    assert felt.queued_ms >= 100  # of the request that waited, what it did once it had the lock


def test_a_row_that_the_chain_has_written_stalls_who_writes_it_too(things: Database) -> None:
    with _run(things, READ, UPDATE) as run:
        run.chain.run("BEGIN")
        run.chain.run("UPDATE things SET name = 'y'")
        run.until_waiting(lambda: set(run.traffic.pids))
        run.chain.run("COMMIT")
    felt = run.felt()
    worst = max(felt["update"].stalls, key=lambda stall: stall.duration_ms)
    assert felt["read"].blocked_ms == 0
    assert worst.duration_ms >= HELD_MS
    assert worst.statement in (2, 3)
    assert worst.relation in ("public.things", None)
    assert worst.wanted in ("transactionid", "tuple")


def test_old_code_meets_a_renamed_column_as_errors(things: Database) -> None:
    with _run(things, UPDATE) as run:
        run.chain.run("ALTER TABLE things RENAME name TO title")
        sent = len(run.traffic.answers)
        while len(run.traffic.answers) < sent + 3:
            time.sleep(0.005)
    felt = run.felt()["update"]
    assert felt.errors >= 2
    assert felt.first_error == 'column "name" does not exist'


def test_requests_that_wait_for_each_other_are_no_stall_of_the_chains(things: Database) -> None:
    slow = RequestClass(
        "slow", "write", 1, ("UPDATE things SET name = name WHERE id = 1", "SELECT pg_sleep(0.05)"), _nothing
    )
    with _run(things, slow, rate=40) as run:
        while len(run.traffic.answers) < 8:
            time.sleep(0.005)
    assert run.waits.seen
    felt = run.felt()["slow"]
    assert (felt.blocked_ms, felt.stalls) == (0, ())


@pytest.mark.parametrize("victim", ["traffic", "chain"])
def test_a_deadlock_is_told_with_its_cycle_whoever_dies(things: Database, victim: str) -> None:
    """Who is the last to begin waiting, with the shorter deadlock_timeout, finds the cycle and dies."""
    with things.connect() as connection:
        connection.execute("CREATE TABLE others (id int)")
    ours, theirs = ("20ms", "10s") if victim == "traffic" else ("10s", "20ms")
    statements = (f"SET LOCAL deadlock_timeout = '{ours}'", "SELECT FROM others", "SELECT FROM things")
    walk = RequestClass("walk", "read", 1, statements, _nothing, pause_s=0.1)
    with _run(things, walk, rate=20) as run:
        run.chain.run(f"SET deadlock_timeout = '{theirs}'", transaction=1)
        while not run.felt()["walk"].deadlocks:
            run.chain.run("BEGIN", transaction=2)
            run.chain.run("DROP TABLE things", Lock("public.things", "table", "ACCESS EXCLUSIVE", 0, 0), transaction=2)
            if victim == "chain":
                run.until_waiting(lambda: set(run.traffic.pids), run.chain.statements[-1].started_ms + run.chain.origin)
            run.chain.run("DROP TABLE others", Lock("public.others", "table", "ACCESS EXCLUSIVE", 0, 0), transaction=2)
            run.chain.run("ROLLBACK", transaction=2)
    felt = run.felt()["walk"]
    cycle = felt.deadlock_cycle or ""
    for piece in (
        "`walk` waits for ACCESS SHARE on public.things",
        "DROP TABLE others",
        "on public.others, which `walk` has",
    ):
        assert piece in cycle
    died = [one for one in run.chain.statements if one.error and "deadlock" in one.error]
    assert bool(died) is (victim == "chain")
    assert bool(felt.errors) is (victim == "traffic")
