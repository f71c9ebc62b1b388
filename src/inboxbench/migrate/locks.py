"""Taking a strong lock on a busy table without making the traffic wait.

A statement that waits for ACCESS EXCLUSIVE makes every later reader and writer queue behind it. So it waits
`lock_timeout` at most, lets the queue drain, and tries again until its budget is spent; then the error says
who held the lock, as PostgreSQL saw it while the statement was still waiting.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from itertools import count
from types import TracebackType
from typing import Self, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from inboxbench import units
from inboxbench.database import Connection, connect
from inboxbench.errors import InboxbenchError, SubjectFailed
from inboxbench.migrate.session import LockRefused, Session

T = TypeVar("T")
RETRIED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 2.0

_BLOCKERS = """
    SELECT a.pid, coalesce(nullif(a.application_name, ''), a.usename, a.backend_type), coalesce(a.state, ''),
           coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8,
           regexp_replace(left(coalesce(a.query, ''), 100), '\\s+', ' ', 'g')
    FROM unnest(pg_blocking_pids(%s)) AS blocker (pid) JOIN pg_stat_activity a USING (pid)
    ORDER BY a.xact_start LIMIT 3
"""


class LockUnavailable(SubjectFailed):
    """A lock could not be had within the budget; nothing of the step was done."""


def short_transaction(db: Session, text: str, work: Callable[[], T]) -> T:
    """Run `work` in one transaction under lock_timeout, again and again until the budget is spent.

    `work` must be safe to repeat from its start. Raises LockUnavailable, which names the holder.
    """
    deadline = time.monotonic() + db.settings.lock_budget_s
    with _Watch(db) as watch:
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
    """Who blocks backend `pid` at this moment, oldest transaction first; "" when nobody does."""
    rows = observer.execute(_BLOCKERS, (pid,)).fetchall()
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
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
