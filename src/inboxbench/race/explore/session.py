"""A session of a schedule: a function in a greenlet of its own, and the pool that its connection comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import greenlet
import psycopg
from psycopg import IsolationLevel, pq
from psycopg.conninfo import conninfo_to_dict
from psycopg.waiting import Wait

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection, Step
from inboxbench.race.explore.model import LETTERS, Outcome, SessionFunction
from inboxbench.race.explore.refusals import Refused, described, refusal


@dataclass(eq=False)
class Session:
    """One session and how far it has come. step: asked for and not begun; pending: begun and not ended.

    since: when the pending step began, or its own code went on. wants: what its socket has to be ready for. refusals:
    the names of exceptions by which the application refuses.
    """

    index: int
    connection: GatedConnection
    function: SessionFunction
    refusals: Sequence[str] = ()
    task: greenlet.greenlet | None = None
    step: Step | None = None
    pending: Step | None = None
    wants: Wait = Wait.R
    waiting: bool = False
    outcome: Outcome | None = None
    failure: BaseException | None = None
    steps: int = 0
    since: float = 0.0
    blockers: tuple[int, ...] = ()
    backend: int = 0
    gone: bool = False

    def __post_init__(self) -> None:
        self.backend = self.connection.pgconn.backend_pid  # a closed connection has none

    @property
    def letter(self) -> str:
        return LETTERS[self.index]

    @property
    def pid(self) -> int:
        return self.backend

    @property
    def in_transaction(self) -> bool:
        """Return whether its transaction is open and has not failed."""
        return self.connection.transaction_status == pq.TransactionStatus.INTRANS

    def begin(self) -> greenlet.greenlet:
        """Return the new greenlet that the session runs in."""
        self.task = greenlet.greenlet(self._live)
        return self.task

    def _live(self) -> None:
        """Run the function and end its transaction; a refusal becomes the outcome, any other error the failure."""
        try:
            self.outcome = self._run()
        except greenlet.GreenletExit:
            self.outcome = Outcome("died")
        except BaseException as error:
            self.failure = error

    def _run(self) -> Outcome:
        try:
            value = self.function(self.connection, self.index)
            self._require_well_used()
            if not self.connection.closed:
                self.connection.commit()
        except (Exception, SystemExit) as error:
            self._require_well_used()
            outcome = refusal(error, self.refusals)
            if outcome is None:
                raise
            if not self.connection.closed:
                self.connection.rollback()
            return outcome
        if isinstance(value, Refused):
            return Outcome("refused", reason=value.reason)
        return Outcome("committed", value, taken=tuple(self.connection.taken))

    def _require_well_used(self) -> None:
        if self.connection.misuse:
            raise SubjectFailed(f"session {self.letter} {self.connection.misuse}")

    def failed(self, failure: BaseException) -> BaseException:
        """Return what to raise for a function that raised: SubjectFailed naming the error, unless it is one of ours."""
        if isinstance(failure, (Exception, SystemExit)) and not isinstance(failure, SubjectFailed):
            return SubjectFailed(f"session {self.letter} raised {described(failure)}")
        return failure


# PostgreSQL looks for a cycle after this long. Longer than the gap between two steps, so that the first waiter of a
# cycle is the one whose check finds it: the same victim each time.
_DEADLOCK_TIMEOUT = "25ms"


def _connect(conninfo: str, level: IsolationLevel) -> GatedConnection:
    """Open a session's connection with a short deadlock check and commits that do not wait for the disk.

    All that is set goes with the connection, so that it is what RESET ALL comes back to. `level` is also that of
    statements that commit by themselves: psycopg's own setting goes with BEGIN.
    """
    given = conninfo_to_dict(conninfo).get("options") or ""
    name = level.name.replace("_", "\\ ").lower()
    options = f"{given} -c synchronous_commit=off -c default_transaction_isolation={name}".lstrip()
    try:  # only a superuser may shorten it; for others each deadlock takes the server's own second
        return _opened(conninfo, f"{options} -c deadlock_timeout={_DEADLOCK_TIMEOUT}")
    except psycopg.OperationalError:
        return _opened(conninfo, options)


def _opened(conninfo: str, options: str) -> GatedConnection:
    connection = GatedConnection.connect(conninfo, options=options, application_name="inboxbench race", autocommit=True)
    count_session(connection)
    connection.as_new = True
    connection.end_renewal()
    return connection


# From here on the server counts sessions at once, if it is asked to.
_COUNTED = 150000


def count_session(connection: Connection) -> None:
    """Make the server count this session now, and not some time later."""
    if connection.info.server_version >= _COUNTED:
        connection.execute("SELECT pg_stat_force_next_flush()")


class SessionPool:
    """Keeps the connections of sessions 0, 1 … between schedules: opening one costs as much as a schedule.

    Each schedule gets sessions as new: without the locks, settings, temporary tables and prepared statements of the
    one before. A connection that was closed or killed, or cannot be made as new, is opened again. opened: how many
    have been opened in all. always_new: never use one twice, for what no command takes back.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connections: dict[int, tuple[IsolationLevel, GatedConnection]] = {}
        self.opened = 0
        self.always_new = False

    def take(self, sessions: int, level: IsolationLevel) -> list[GatedConnection]:
        """Return the idle connections of as many sessions at `level`, as new; the server renews all at once."""
        renewing = [self._begin_renewal(index, level) for index in range(sessions)]
        return [self._ready(index, level, connection) for index, connection in enumerate(renewing)]

    def _begin_renewal(self, index: int, level: IsolationLevel) -> GatedConnection | None:
        known, connection = self._connections.get(index, (level, None))
        if connection is not None and known == level and not self.always_new and connection.begin_renewal():
            return connection
        return None

    def _ready(self, index: int, level: IsolationLevel, renewing: GatedConnection | None) -> GatedConnection:
        connection = renewing
        if connection is None or not connection.end_renewal():
            if index in self._connections:
                self._connections[index][1].close()
            connection = _connect(self._conninfo, level)
            self.opened += 1
            self._connections[index] = level, connection
        connection.isolation_level = level
        return connection

    def pids(self) -> set[int]:
        """Return the backend pids of the open connections."""
        return {opened.pgconn.backend_pid for _, opened in self._connections.values() if not opened.closed}

    def close(self) -> None:
        for _, connection in self._connections.values():
            connection.close()
