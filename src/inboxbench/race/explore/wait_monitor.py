"""A connection that watches the sessions from outside: who waits for whom, by the server's own word."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from psycopg import errors, pq

from inboxbench.database import Connection
from inboxbench.race.explore.session import Session

_WAITS = b"SELECT pid, pg_blocking_pids(pid) FROM unnest($1::int[]) AS pid"
_NAME = b"inboxbench_waits"


class Lookout:
    """Asks over `monitor`, which nobody else may use. It asks at nearly every step, so it asks through libpq."""

    def __init__(self, monitor: Connection) -> None:
        self._monitor = monitor
        self._pgconn = monitor.pgconn
        self._checked(self._pgconn.prepare(_NAME, _WAITS))

    def waits(self, pending: Sequence[Session], sessions: Iterable[Session]) -> dict[int, set[int]]:
        """session → the sessions that it waits for. Those that wait for nobody, or for a stranger, are left out."""
        by_pid = {session.pid: session.index for session in sessions if not session.connection.closed}
        pids = "{" + ",".join(str(session.pid) for session in pending) + "}"
        result = self._checked(self._pgconn.exec_prepared(_NAME, [pids.encode()]))
        found: dict[int, set[int]] = {}
        for row in range(result.ntuples):
            others = {by_pid[pid] for pid in _array(result.get_value(row, 1)) if pid in by_pid}
            if others:
                found[by_pid[int(result.get_value(row, 0) or b"0")]] = others
        return found

    def strangers(self, ours: Iterable[int]) -> set[int]:
        """Other people's backends in this database, `ours` and this one left out."""
        rows = self._monitor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
        )
        return {pid for (pid,) in rows} - set(ours) - {self._pgconn.backend_pid}

    def kill(self, session: Session, *, patience_ms: int = 0) -> None:
        """End a session's backend, and wait until it is gone when there is patience."""
        self._monitor.execute("SELECT pg_terminate_backend(%s, %s)", (session.pid, patience_ms))

    @staticmethod
    def _checked(result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result)
        return result


def _array(text: bytes | None) -> list[int]:
    """`{1,2}` as the server writes it."""
    inside = (text or b"{}")[1:-1]
    return [int(pid) for pid in inside.split(b",")] if inside else []


def is_cycle(waits: Mapping[int, set[int]]) -> bool:
    """Whether somebody waits, through others, for itself."""

    def reaches(start: int, target: int, seen: set[int]) -> bool:
        if start in seen:
            return False
        seen.add(start)
        return any(other == target or reaches(other, target, seen) for other in waits.get(start, ()))

    return any(reaches(index, index, set()) for index in waits)
