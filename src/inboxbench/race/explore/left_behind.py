"""Looks after each schedule for what sessions left at the server: connections of their own, and state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.model import LETTERS, Leftover, ScheduleRun
from inboxbench.race.explore.monitor import WaitMonitor, state_of
from inboxbench.race.explore.session import Session, SessionPool

_SET_NAME = re.compile(r"set_config\s*\(\s*'(\w+\.\w[\w.]*)'|\bset\s+(?:session\s+)?(\w+\.\w[\w.]*)", re.IGNORECASE)
# Functions of the database that set a parameter that no module defines: RESET leaves it empty, a new session has none.
_CUSTOM_SETTERS = """
    SELECT FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace
    WHERE prosrc ~* 'set_config|\\mset\\s+(local\\s+|session\\s+)?\\w+\\.\\w'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema')
"""

# Plays the same schedule again, and calls the function each time after a session's own code has run.
PlayWatched = Callable[[str, Callable[[Session], None]], object]


class LeftBehind:
    """Compares the server before and after each schedule. Nobody but the sessions may connect in between."""

    def __init__(self, pool: SessionPool, wait_monitor: WaitMonitor, control: Connection) -> None:
        self._pool = pool
        self._wait_monitor = wait_monitor
        self._others, _ = wait_monitor.left(pool)
        self._fresh = True
        pool.always_new = control.execute(_CUSTOM_SETTERS).fetchone() is not None

    def examine(
        self, run: ScheduleRun, sessions: Sequence[Session], play_watched: PlayWatched | None = None
    ) -> ScheduleRun:
        """Return the run with what its sessions kept. Raises SubjectFailed when one opened a connection of its own."""
        as_new = all(session.connection.as_new for session in sessions)
        others, locks = self._wait_monitor.left(self._pool, locks=not as_new)
        if others > self._others:
            self._others = others
            raise SubjectFailed(self._opened(run, play_watched))
        by_pid = {session.pid: session.index for session in sessions if not session.connection.closed}
        left = [Leftover(by_pid[pid], f"advisory lock {key}", lock=True) for pid, key in locks if pid in by_pid]
        if self._fresh:  # slower than a schedule, so once
            self._fresh = False
            left += [Leftover(session.index, kept) for session in sessions for kept in _kept(session, run)]
        return replace(run, left=tuple(left)) if left else run

    def _opened(self, run: ScheduleRun, play_watched: PlayWatched | None) -> str:
        """Return a message that names the session, by playing the schedule again with a look after each step."""
        names: list[str] = []

        def look(session: Session) -> None:
            others, _ = self._wait_monitor.left(self._pool)
            if others > self._others:
                self._others = others
                names.append(f"session {session.letter}")

        if play_watched is not None:
            play_watched(run.schedule, look)
        return (
            f"{names[0] if names else 'a session'} opened a connection of its own (in schedule {run.schedule}), which "
            "no schedule can order; it must use the one that it is given"
        )


def _kept(session: Session, run: ScheduleRun) -> Iterator[str]:
    """Yield what an idle session keeps beyond its transactions, apart from advisory locks."""
    if session.connection.closed:
        return
    own = tuple(f"setting {name} =" for name in session.connection.own_settings)
    yield from (kept for kept in state_of(session.connection.pgconn) if not kept.startswith(own))
    for name in dict.fromkeys(_names_set(session, run)):
        with session.connection.ungated(), session.connection.transaction():
            row = session.connection.execute("SELECT current_setting(%s, true)", (name,)).fetchone()
        if row and row[0]:
            yield f"setting {name} = {row[0]}"


def _names_set(session: Session, run: ScheduleRun) -> Iterator[str]:
    for event in run.events:
        if event.session == session.index:
            for match in _SET_NAME.finditer(event.text):
                yield match[1] or match[2]


def lasting_wait(waiting: Session, blocker: int, locks: Sequence[str]) -> str:
    """Return the message for a session that waits for one that has ended. locks: the advisory locks that it kept."""
    step = waiting.pending.text.strip()[:80] if waiting.pending else ""
    what = f"advisory lock {' and '.join(locks)}" if locks else "a lock"
    return (
        f"session {waiting.letter} waits for ever ({step!r}): session {LETTERS[blocker]} still holds {what} after its "
        "end; release it (pg_advisory_unlock), or take one that ends with the transaction (pg_advisory_xact_lock)"
    )
