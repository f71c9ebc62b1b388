"""A process of workers, driven by `worker_pool` over its standard streams.

One thread a worker, each with a warm connection of its own. A line in is an order (a Task as JSON, then "go");
a line out is "ready", then the Tallies as JSON. End of file on standard input ends the process.

Threads, because a worker waits nearly always: for a round trip, a lock or its pause. Several processes, because
one interpreter cannot keep 64 of them busy.
"""

from __future__ import annotations

import importlib
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, cast

import psycopg
from psycopg import IsolationLevel

from inboxbench.database import Connection
from inboxbench.lifetime import end_with_parent
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import LEVELS, Level, SessionFunction
from inboxbench.race.explore.refusals import REFUSALS
from inboxbench.race.explore.user_code import load_function
from inboxbench.race.strategy import Attempt


class Job(Protocol):
    """One kind of attempt. refusals: beginnings of SQLSTATEs after which an attempt may be made again."""

    @property
    def isolation(self) -> IsolationLevel: ...

    @property
    def refusals(self) -> tuple[str, ...]: ...

    def warm_up(self, connection: Connection, session: int) -> None:
        """Execute what the server should know before the clock starts; it is rolled back."""
        ...

    def attempt(self, connection: Connection, session: int) -> Attempt:
        """Try once. What it won is committed, else the transaction is rolled back."""
        ...

    def exhausted(self, connection: Connection) -> bool:
        """Return whether nothing is left to win. Asked after an empty attempt, in a transaction of its own."""
        ...


@dataclass(frozen=True, slots=True)
class FunctionJob:
    """A user's function, called again and again: each call that returns is a transaction that is committed."""

    function: SessionFunction
    isolation: IsolationLevel
    refusals: tuple[str, ...] = REFUSALS

    def warm_up(self, connection: Connection, session: int) -> None:
        """Do nothing: a function of the user's has no row that it may change in vain."""

    def attempt(self, connection: Connection, session: int) -> Attempt:
        # Outside of the explorer the function gets a plain connection; what it is given there is one as well.
        self.function(cast(GatedConnection, connection), session)
        return Attempt("won")

    def exhausted(self, _connection: Connection) -> bool:
        return False


def function_job(target: str, level: Level) -> FunctionJob:
    """Return the job of MODULE:FUNCTION. Raises UsageError when it cannot be imported or does not take a connection."""
    return FunctionJob(load_function(target), LEVELS[level])


@dataclass(frozen=True, slots=True)
class Task:
    """One round of a worker process.

    name: of what is attempted, for messages. factory: "module:function" that makes the Job when it is called with
    `arguments`, which travel as JSON. sessions: a worker each. seconds: bounds the round; attempts: of each worker.
    """

    name: str
    conninfo: str
    factory: str
    arguments: Mapping[str, Any]
    sessions: list[int]
    seconds: float
    attempts: int | None = None

    def job(self) -> Job:
        module, _, name = self.factory.partition(":")
        make: Callable[..., Job] = getattr(importlib.import_module(module), name)
        return make(**self.arguments)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


# psycopg prepares a statement when it has seen it five times; a warm worker is past that.
_WARM_UPS = 6


@dataclass(slots=True)
class Tally:
    """Holds what one worker counted.

    wins: (row id or None, seconds from the first attempt at it to its commit, seconds since the round began). lost and
    empty: attempts that won nothing. refused: SQLSTATE → attempts that the server refused. error: that ended it.
    """

    session: int
    wins: list[tuple[int | None, float, float]] = field(default_factory=list)
    lost: int = 0
    empty: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    error: str | None = None


def _attempt(connection: Connection, job: Job, tally: Tally) -> Attempt | None:
    """Make one attempt and end its transaction. None: the server refused it, which is counted."""
    try:
        attempt = job.attempt(connection, tally.session)
        if attempt.outcome == "won":
            connection.commit()
        else:
            connection.rollback()
    except psycopg.Error as error:
        if not (error.sqlstate or "").startswith(job.refusals):
            raise
        connection.rollback()
        tally.refused[str(error.sqlstate)] = tally.refused.get(str(error.sqlstate), 0) + 1
        return None
    return attempt


def _exhausted(connection: Connection, job: Job) -> bool:
    exhausted = job.exhausted(connection)
    connection.commit()
    return exhausted


def _work(connection: Connection, job: Job, task: Task, tally: Tally) -> None:
    """Make attempts until nothing is left to win, the time is up, or there were as many as the task allows."""
    begun = since = time.perf_counter()
    made = 0
    while time.perf_counter() - begun < task.seconds and (task.attempts is None or made < task.attempts):
        attempt = _attempt(connection, job, tally)
        made += 1
        if attempt is None:
            continue
        if attempt.outcome == "won":
            now = time.perf_counter()
            tally.wins.append((attempt.id, now - since, now - begun))
            since = now
        elif attempt.outcome == "lost":
            tally.lost += 1
        elif _exhausted(connection, job):
            return
        else:
            tally.empty += 1


def _warm_up(connection: Connection, job: Job, session: int) -> None:
    connection.isolation_level = job.isolation
    for _ in range(_WARM_UPS):
        job.warm_up(connection, session)
        connection.rollback()


class _Start:
    """Lets the workers of one process begin together: each arrives, warm or broken, and waits for the release."""

    def __init__(self, workers: int) -> None:
        self._arrived = threading.Barrier(workers + 1)
        self._released = threading.Event()

    def arrive(self) -> None:
        self._arrived.wait()
        self._released.wait()

    def wait_for_all(self) -> None:
        self._arrived.wait()

    def release(self) -> None:
        self._released.set()


def _run_worker(task: Task, job: Job, tally: Tally, start: _Start) -> None:
    """Run one thread's worker. Its error goes into the tally, since a thread has nobody to raise to."""
    arrived = False
    try:
        # The limits are far above any wait that a round can hold; they turn a hang into an error.
        with psycopg.connect(task.conninfo, options="-c statement_timeout=20s -c lock_timeout=20s") as connection:
            _warm_up(connection, job, tally.session)
            arrived = True
            start.arrive()
            _work(connection, job, task, tally)
    except Exception as error:
        tally.error = f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        if not arrived:
            start.arrive()


def _answer(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (this process answers its parent through its standard output)


def _round(task: Task) -> None:
    job = task.job()
    tallies = [Tally(session) for session in task.sessions]
    start = _Start(len(tallies))
    threads = [threading.Thread(target=_run_worker, args=(task, job, tally, start)) for tally in tallies]
    for thread in threads:
        thread.start()
    start.wait_for_all()
    _answer("ready")
    sys.stdin.readline()
    start.release()
    for thread in threads:
        thread.join()
    _answer(json.dumps([asdict(tally) for tally in tallies]))


def main() -> None:
    """Run rounds until end of file. The parent's end is noticed in the middle of one, too."""
    end_with_parent(sys.stdin.fileno())
    for order in sys.stdin:
        _round(Task(**json.loads(order)))
