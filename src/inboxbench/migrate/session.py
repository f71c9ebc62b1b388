"""What a step of a migration has at hand: the connection, its limits, and a listener that hears how it goes.

`short_transaction` runs DDL under lock_timeout, again and again with pauses, and names who holds the lock in the end.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from itertools import count
from typing import TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from inboxbench import units
from inboxbench.database import Connection, connect
from inboxbench.errors import InboxbenchError, SubjectFailed, UsageError
from inboxbench.sqlfile import read_sections

_PREFIX = "INBOXBENCH_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Limits of an online migration; each has an environment variable (INBOXBENCH_LOCK_TIMEOUT_MS …).

    lock_timeout_ms: how long short DDL may wait for its lock, and so the longest it can make others queue.
    lock_budget_s: how long one step goes on trying before it gives up.
    batch_ms: how long a backfill may hold the row locks of a batch; the batch size follows.
    pause_share: rest after each batch, as a share of the time it took.
    index_workers: processes besides its own that an index build may use. None: the traffic needs the processors. On 2
    cores and 5 M messages two made a GIN build 8 % faster and the slowest read 293 ms instead of 60.
    """

    lock_timeout_ms: float = 100
    lock_budget_s: float = 120
    batch_ms: float = 50
    pause_share: float = 0.2
    index_workers: float = 0


def read_settings(environment: Mapping[str, str] | None = None, **flags: float | None) -> Settings:
    """Defaults, then the environment, then flags that are not None. Raises UsageError naming the variable."""
    environment = os.environ if environment is None else environment
    values = {
        field.name: _number(name, environment[name])
        for field in fields(Settings)
        if environment.get(name := _PREFIX + field.name.upper())
    }
    given = {name: value for name, value in flags.items() if value is not None}
    settings = replace(Settings(), **(values | given))
    if settings.index_workers not in range(1025):
        raise UsageError(f"{_PREFIX}INDEX_WORKERS={settings.index_workers:g} is no number of processes from 0 to 1024")
    if settings.lock_timeout_ms < 1 or settings.batch_ms <= 0 or settings.pause_share < 0:
        raise UsageError("lock timeout and batch time must be above zero (ms), the pause share not below it")
    return settings


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name}={text!r} is not a number") from None


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A statement of a revision is about to run; text says which, in words."""

    revision: str
    text: str


@dataclass(frozen=True, slots=True)
class LockRefused:
    """A step did not get its lock in time and will try again in pause_s; blockers is "" until they are known."""

    revision: str
    text: str
    attempt: int
    pause_s: float
    blockers: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backfill is: rows written, share of the keys behind it (0–1), rows/s, seconds left, batch size."""

    revision: str
    name: str
    rows: int
    share: float
    rows_per_s: float
    eta_s: float
    batch: int
    finished: bool = False


@dataclass(frozen=True, slots=True)
class RevisionApplied:
    """The version stamp has moved: `revision` is done (upgrade) or undone."""

    revision: str
    upgrade: bool


Event = StepStarted | LockRefused | Progress | RevisionApplied
Listener = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Session:
    """An autocommit connection, so that each step chooses its own transaction."""

    connection: Connection
    revision: str
    settings: Settings
    listener: Listener

    def step(self, text: str) -> None:
        self.listener(StepStarted(self.revision, text))


T = TypeVar("T")
RETRIED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_QUERIES = read_sections(__file__)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0


class LockUnavailable(SubjectFailed):
    """A lock could not be had within the budget; nothing of the step was done."""


def short_transaction(db: Session, text: str, work: Callable[[], T]) -> T:
    """Run `work` in one transaction under lock_timeout, again and again until the budget is spent.

    `work` must be safe to repeat from its start. Raises LockUnavailable, which names the holder.
    """
    deadline = time.monotonic() + db.settings.lock_budget_s
    with closing(_Watch(db)) as watch:
        for attempt in count(1):
            try:
                return _attempt(db, work)
            except RETRIED as error:
                pause = _pause(attempt)
                # One attempt at least runs under watch, so that the error can name the holder.
                if watch.running and time.monotonic() + pause > deadline:
                    raise LockUnavailable(_explain(db, text, attempt, watch.blockers)) from error
                watch.start()
                db.listener(LockRefused(db.revision, text, attempt, pause, watch.blockers))
                time.sleep(pause)
    raise AssertionError("count() does not end")


def _attempt(db: Session, work: Callable[[], T]) -> T:
    with db.connection.transaction():
        timeout = f"{db.settings.lock_timeout_ms:g}ms"
        db.connection.execute("SELECT set_config('lock_timeout', %s, true)", (timeout,))
        return work()


def _pause(attempt: int) -> float:
    """Doubling, with jitter: two upgrades of two databases on one server should not march in step."""
    return float(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 10)) * random.uniform(0.5, 1.0))


def _explain(db: Session, text: str, attempts: int, blockers: str) -> str:
    limit = f"{db.settings.lock_timeout_ms:g} ms"
    return (
        f"{db.revision}: {text}: no lock within {db.settings.lock_budget_s:g} s ({attempts} attempts of {limit} each), "
        f"held by {blockers or 'a session that was gone when we looked'}; "
        "nothing of this step was done: end that session or wait for it, then run the upgrade again"
    )


def second_connection(connection: Connection) -> Connection:
    """Another session on the same database, password included."""
    info = connection.info
    return connect(make_conninfo(info.dsn, **({"password": info.password} if info.password else {})))


def blockers_of(observer: Connection, pid: int) -> str:
    """Return who blocks backend `pid` at this moment, oldest transaction first; "" when nobody does."""
    rows = observer.execute(_QUERIES["blockers"], (pid,)).fetchall()
    return ", ".join(
        f"pid {pid} ({name}, {state or 'active'}, transaction open {units.seconds(age)}: {query})"
        for pid, name, state, age, query in rows
    )


class _Watch:
    """A second session that asks, while our statement waits, who makes it wait. Started by the first refusal."""

    def __init__(self, db: Session) -> None:
        self.blockers = ""
        self._db = db
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End the looking."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    @property
    def running(self) -> bool:
        return self._thread is not None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="lock watch", daemon=True)
            self._thread.start()

    def _look(self) -> None:
        pid = self._db.connection.info.backend_pid
        interval = max(0.005, self._db.settings.lock_timeout_ms / 4000)
        try:
            with second_connection(self._db.connection) as observer:
                while not self._stop.wait(interval):
                    self.blockers = blockers_of(observer, pid) or self.blockers
        except (InboxbenchError, psycopg.Error) as error:
            # The migration itself goes on; only the name of the holder is lost, and the error says why.
            self.blockers = self.blockers or f"an unknown session (no second connection to look: {error})"
