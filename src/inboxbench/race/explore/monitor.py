"""Asks the server what goes on beside a schedule: who waits for whom, who connected, and what a session kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from psycopg import errors, pq

from inboxbench.database import Connection
from inboxbench.race.explore.session import Session, SessionPool

_WAITS = b"SELECT pid, pg_blocking_pids(pid) FROM unnest($1::int[]) AS pid"
_WAITS_NAME = b"inboxbench_waits"
# Sessions that this database has had since it was made, and the advisory locks that backends hold: (pid, key) each.
_SESSIONS = b"""
    SELECT NULL::int, pg_stat_get_db_sessions(oid)::text FROM pg_database WHERE datname = current_database()
"""
# Before PostgreSQL 15 sessions are counted late, so those that are there are counted instead.
_SESSIONS_NOW = b"""
    SELECT NULL::int, count(*)::text FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend'
"""
_LOCKS = b"""
    UNION ALL
    SELECT pid, CASE objsubid WHEN 1 THEN ((classid::bigint << 32) | objid::bigint)::text
                ELSE format('(%s, %s)', classid::bigint::bit(32)::int, objid::bigint::bit(32)::int) END
    FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = ANY($1::int[])
"""
_LEFT_NAME = b"inboxbench_left"
_OPENED_NAME = b"inboxbench_opened"
# What else outlives a transaction; asked over the session's own connection, and too slow to ask after each schedule.
_STATE = b"""
    SELECT format('setting %s = %s', name, setting) FROM pg_settings WHERE source = 'session'
    UNION ALL SELECT format('temporary table %s', relname) FROM pg_class
        WHERE relnamespace = pg_my_temp_schema() AND relkind IN ('r', 'v')
    UNION ALL SELECT format('channel %s that it listens to', channel) FROM pg_listening_channels() AS channel
    UNION ALL SELECT format('prepared statement %s', name) FROM pg_prepared_statements WHERE from_sql
    UNION ALL SELECT format('cursor %s', name) FROM pg_cursors WHERE is_holdable
"""
_COUNTED = 150000


class WaitMonitor:
    """Asks over `monitor`, which nobody else may use, who waits for whom: at nearly every step, so through libpq."""

    def __init__(self, monitor: Connection) -> None:
        self._monitor = monitor
        self._pgconn = monitor.pgconn
        self._checked(self._pgconn.prepare(_WAITS_NAME, _WAITS))
        self._counts = self._pgconn.server_version >= _COUNTED
        sessions = _SESSIONS if self._counts else _SESSIONS_NOW
        self._checked(self._pgconn.prepare(_LEFT_NAME, sessions + _LOCKS))
        self._checked(self._pgconn.prepare(_OPENED_NAME, sessions))

    def waits(self, pending: Sequence[Session], sessions: Iterable[Session]) -> dict[int, set[int]]:
        """Return session → the sessions that it waits for, without those that wait for nobody or for a stranger."""
        by_pid = {session.pid: session.index for session in sessions if not session.connection.closed}
        result = self._checked(self._pgconn.exec_prepared(_WAITS_NAME, [_pids(session.pid for session in pending)]))
        waits: dict[int, set[int]] = {}
        for row in range(result.ntuples):
            others = {by_pid[pid] for pid in _array(result.get_value(row, 1)) if pid in by_pid}
            if others:
                waits[by_pid[int(result.get_value(row, 0) or b"0")]] = others
        return waits

    def left(self, pool: SessionPool, *, locks: bool = True) -> tuple[int, list[tuple[int, str]]]:
        """Return how many connections but those of `pool` were opened, and the advisory locks (pid, key) of its own.

        locks: whether the pool's sessions may have any; to ask for them takes the server longer than all else.
        """
        pids = pool.pids()
        name, parameters = (_LEFT_NAME, [_pids(pids)]) if locks else (_OPENED_NAME, [])
        result = self._checked(self._pgconn.exec_prepared(name, parameters))
        rows = [(result.get_value(row, 0), result.get_value(row, 1) or b"") for row in range(result.ntuples)]
        opened = sum(int(value) for pid, value in rows if pid is None)
        kept = sorted((int(pid), key.decode()) for pid, key in rows if pid is not None)
        return opened - (pool.opened if self._counts else len(pids)), kept

    def kill(self, session: Session, *, patience_ms: int = 0) -> None:
        """End a session's backend, and wait until it is gone when there is patience."""
        self._monitor.execute("SELECT pg_terminate_backend(%s, %s)", (session.pid, patience_ms))

    @staticmethod
    def _checked(result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status not in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            raise errors.error_from_result(result)
        return result


def state_of(pgconn: pq.abc.PGconn) -> list[str]:
    """Return what an idle session keeps beyond its transactions, apart from advisory locks: settings, tables …"""
    result = pgconn.exec_(_STATE)
    return [(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)]


def _pids(pids: Iterable[int]) -> bytes:
    return f"{{{','.join(map(str, pids))}}}".encode()


def _array(text: bytes | None) -> list[int]:
    """Parse an array as the server writes it: `{1,2}`."""
    inside = (text or b"{}")[1:-1]
    return [int(pid) for pid in inside.split(b",")] if inside else []


def is_cycle(waits: Mapping[int, set[int]]) -> bool:
    """Return whether a session waits, through others, for itself."""

    def reaches(start: int, target: int, seen: set[int]) -> bool:
        if start in seen:
            return False
        seen.add(start)
        return any(other == target or reaches(other, target, seen) for other in waits.get(start, ()))

    return any(reaches(index, index, set()) for index in waits)
