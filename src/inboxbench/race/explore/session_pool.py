"""Connections of an exploration's sessions, kept from one to the next: opening one costs as much as a schedule."""

from __future__ import annotations

from psycopg import IsolationLevel, errors

from inboxbench.race.explore.gated_connection import GatedConnection

# PostgreSQL looks for a cycle after this long. Longer than the gap between two steps, so that the first waiter of a
# cycle is the one whose check finds it: the same victim each time.
_DEADLOCK_TIMEOUT = "25ms"


def _connect(conninfo: str) -> GatedConnection:
    """A session's connection: short deadlock check, commits that do not wait for the disk."""
    connection = GatedConnection.connect(conninfo, autocommit=True)
    connection.execute("SET synchronous_commit = off")
    connection.execute("SELECT set_config('application_name', 'inboxbench race', false)")
    _try_deadlock_timeout(connection)
    connection.autocommit = False
    return connection


def _try_deadlock_timeout(connection: GatedConnection) -> None:
    """Only a superuser may shorten it; for others each deadlock takes the server's own second."""
    try:
        connection.execute("SELECT set_config('deadlock_timeout', %s, false)", (_DEADLOCK_TIMEOUT,))
    except errors.InsufficientPrivilege:
        return


def _set_default(connection: GatedConnection, level: IsolationLevel) -> None:
    """For statements that commit by themselves: psycopg's own setting goes with BEGIN."""
    connection.autocommit = True
    name = level.name.replace("_", " ").lower()
    connection.execute("SELECT set_config('default_transaction_isolation', %s, false)", (name,))
    connection.autocommit = False


class Seats:
    """The connection of session 0, 1 …; one that was closed or killed is opened anew when it is asked for."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._connections: dict[int, GatedConnection] = {}

    def take(self, index: int, level: IsolationLevel) -> GatedConnection:
        """Idle, and at `level`."""
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
        """Backends of the connections that are open."""
        return {seat.pgconn.backend_pid for seat in self._connections.values() if not seat.closed}

    def close(self) -> None:
        for connection in self._connections.values():
            connection.close()
