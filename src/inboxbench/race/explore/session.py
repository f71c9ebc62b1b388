"""A session of a schedule: a function in a greenlet of its own, and the pool that its connection comes from."""

from __future__ import annotations

from dataclasses import dataclass

import greenlet
import psycopg
from psycopg import IsolationLevel, errors
from psycopg.waiting import Wait

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection, Step
from inboxbench.race.explore.model import LETTERS, Outcome, SessionFunction

# Classes of SQLSTATE that concurrency may bring: integrity, rollback, a lock not available, RAISE in a function.
REFUSALS = ("23", "40", "55", "P0", "IB")


@dataclass(eq=False)
class Session:
    """One session and how far it has come. step: asked for and not begun; pending: begun and not ended.

    since: when the pending step began, or its own code went on. wants: what its socket has to be ready for.
    """

    index: int
    connection: GatedConnection
    function: SessionFunction
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

    @property
    def letter(self) -> str:
        return LETTERS[self.index]

    @property
    def pid(self) -> int:
        return self.connection.pgconn.backend_pid

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
            self.connection.commit()
            if self.connection.went_on:
                raise SubjectFailed(
                    f"session {self.letter} committed inside and went on: what is raced is one transaction a "
                    "session, which the explorer ends when the function returns; leave commit() and rollback() to it"
                )
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(REFUSALS):
                raise
            self.connection.rollback()
            return Outcome("refused", sqlstate=error.sqlstate)
        return Outcome("committed", value)

    def failed(self, failure: BaseException) -> BaseException:
        """Return what to raise for a function that raised: SubjectFailed naming the error, unless it is one of ours."""
        if isinstance(failure, Exception) and not isinstance(failure, SubjectFailed):
            text = str(failure).splitlines()[0] if str(failure) else ""
            return SubjectFailed(f"session {self.letter} raised {type(failure).__name__}: {text}")
        return failure


# PostgreSQL looks for a cycle after this long. Longer than the gap between two steps, so that the first waiter of a
# cycle is the one whose check finds it: the same victim each time.
_DEADLOCK_TIMEOUT = "25ms"


def _connect(conninfo: str) -> GatedConnection:
    """Open a session's connection with a short deadlock check and commits that do not wait for the disk."""
    connection = GatedConnection.connect(conninfo, autocommit=True)
    connection.execute("SET synchronous_commit = off")
    connection.execute("SELECT set_config('application_name', 'inboxbench race', false)")
    _try_deadlock_timeout(connection)
    connection.autocommit = False
    return connection


def _try_deadlock_timeout(connection: GatedConnection) -> None:
    """Shorten deadlock_timeout. Only a superuser may; for others each deadlock takes the server's own second."""
    try:
        connection.execute("SELECT set_config('deadlock_timeout', %s, false)", (_DEADLOCK_TIMEOUT,))
    except errors.InsufficientPrivilege:
        return


def _set_default(connection: GatedConnection, level: IsolationLevel) -> None:
    """Set the level of statements that commit by themselves: psycopg's own setting goes with BEGIN."""
    connection.autocommit = True
    name = level.name.replace("_", " ").lower()
    connection.execute("SELECT set_config('default_transaction_isolation', %s, false)", (name,))
    connection.autocommit = False


class SessionPool:
    """Keeps the connections of sessions 0, 1 … between explorations: opening one costs as much as a schedule.

    A connection that was closed or killed is opened again when it is asked for.
    """

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connections: dict[int, GatedConnection] = {}

    def take(self, index: int, level: IsolationLevel) -> GatedConnection:
        """Return the idle connection of session `index` at `level`."""
        connection = self._connections.get(index)
        if connection is None or connection.closed:
            connection = self._connections[index] = _connect(self._conninfo)
        connection.hub = None
        if connection.autocommit:  # a function whose statements commit by themselves left it so
            connection.autocommit = False
        if connection.isolation_level != level:
            connection.isolation_level = level
            _set_default(connection, level)
        return connection

    def pids(self) -> set[int]:
        """Return the backend pids of the open connections."""
        return {open_.pgconn.backend_pid for open_ in self._connections.values() if not open_.closed}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
