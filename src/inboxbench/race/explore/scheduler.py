"""Plays one schedule: lets sessions make their round trips in a given order, and asks the server who waits.

A step that has to wait for a lock stays begun; its session leaves the choice until the server says that it goes on.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import greenlet
from psycopg import IsolationLevel

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.expected_answers import POLL_S, SURE_S, ExpectedAnswers, Place
from inboxbench.race.explore.left_behind import lasting_wait
from inboxbench.race.explore.model import LETTERS, Choice, Event, Outcome, ScheduleRun, SessionFunction
from inboxbench.race.explore.monitor import WaitMonitor, is_cycle
from inboxbench.race.explore.round_trips import Recorder, RoundTrips, event_of
from inboxbench.race.explore.session import Session, SessionPool

_KILL_PATIENCE_MS = 5000
# Begins and ends transactions, and leaves nothing else at the server.
_TRANSACTION_WORDS = re.compile(
    r"\s*(begin|start\s+transaction|commit|end|rollback|abort|savepoint|release)\b[^;]*;?\s*", re.IGNORECASE
)


def never_plain(_text: str, _parameters: Any) -> bool:
    """Say of no statement that it does nothing but read, lock and write rows: right of any."""
    return False


class Scheduler:
    """Plays schedules of the same sessions again and again."""

    def __init__(
        self,
        pool: SessionPool,
        wait_monitor: WaitMonitor,
        functions: Sequence[SessionFunction],
        *,
        level: IsolationLevel,
        limit_s: float,
        refusals: Sequence[str] = (),
        is_plain: Callable[[str, Any], bool] = never_plain,
    ) -> None:
        """is_plain: whether a statement with its parameters does nothing but read, lock and write rows."""
        self._pool = pool
        self._wait_monitor = wait_monitor
        self._functions = functions
        self._level = level
        self._limit_s = limit_s
        self._refusals = refusals
        self._is_plain = is_plain
        self._expected = ExpectedAnswers()
        self._sessions: list[Session] = []
        self._events: list[Event] = []
        self.recorder: Recorder | None = None

    def close(self) -> None:
        """End every session, also one that waits for a lock."""
        for session in self._sessions:
            self._abandon(session)

    @property
    def sessions(self) -> Sequence[Session]:
        """Return the sessions of the schedule that was played last."""
        return self._sessions

    def play(self, prefix: str, watch: Callable[[Session], None] | None = None) -> ScheduleRun:
        """Play `prefix`, then on without preemption to the end. Raises SubjectFailed when a session fails.

        watch: called each time after a session's own code has run.
        """
        self._begin(watch)
        try:
            with time_limit(self._limit_s):
                return self._play(prefix)
        except OutOfTimeError:
            raise SubjectFailed(self._stuck()) from None

    def _begin(self, watch: Callable[[Session], None] | None) -> None:
        hub = greenlet.getcurrent()
        self._events = []
        self._round_trips = RoundTrips(self._events, watch, self.recorder)
        self._sessions = []
        self._plain = True
        connections = self._pool.take(len(self._functions), self._level)
        for index, (connection, function) in enumerate(zip(connections, self._functions, strict=True)):
            connection.enter(hub)
            self._sessions.append(Session(index, connection, function, self._refusals))
        if self.recorder is not None:
            self.recorder.begin(self._sessions)

    def _play(self, prefix: str) -> ScheduleRun:
        self._deadline = time.monotonic() + self._limit_s
        for session in self._sessions:
            session.begin()
            self._round_trips.advance(session, lambda task: task.switch())
        letters: list[str] = []
        starts: list[int] = []
        choices: list[Choice] = []
        diverged = False
        current: int | None = None
        while ready := self._ready():
            choice = Choice(ready, current if current in ready else None)
            letter = prefix[len(letters)] if len(letters) < len(prefix) else ""
            if letter and LETTERS.index(letter.upper()) not in ready:
                diverged, letter = True, ""
            letter = letter or LETTERS[ready[0] if choice.current is None else choice.current]
            choices.append(choice)
            letters.append(letter)
            starts.append(len(self._events))
            current = LETTERS.index(letter.upper())
            self._take(self._sessions[current], dies=letter.islower())
        for session in self._sessions:
            session.connection.as_new = self._plain and not session.connection.untracked
        outcomes = tuple(_outcome(session) for session in self._sessions)
        steps = tuple(session.steps for session in self._sessions)
        schedule, events = "".join(letters), tuple(self._events)
        return ScheduleRun(schedule, tuple(choices), events, outcomes, steps, diverged, starts=tuple(starts))

    def _ready(self) -> tuple[int, ...]:
        """Return the sessions that may step now; wait while there are none and one is still under way."""
        while True:
            ready = tuple(session.index for session in self._sessions if session.step is not None)
            if ready or not self._pending():
                return ready
            self._settle(None)
            self._require_hope()

    def _require_hope(self) -> None:
        """Raise SubjectFailed when all that are under way wait for sessions that have ended: nobody can wake them."""
        pending = self._pending()
        if not pending or any(session.step is not None for session in self._sessions):
            return
        for session in pending:
            for blocker in session.blockers:
                if self._sessions[blocker].outcome is not None:
                    locks = self._wait_monitor.left(self._pool)[1]
                    kept = [key for pid, key in locks if pid == self._sessions[blocker].pid]
                    raise SubjectFailed(lasting_wait(session, blocker, kept))

    def _take(self, session: Session, *, dies: bool) -> None:
        assert session.step is not None
        known = session.connection.relay is None  # what another driver sends may be more than is seen here
        rows_alone = known and self._is_plain(session.step.text, session.step.parameters)
        self._keeps_locks = self._plain and not dies and rows_alone
        self._plain = self._keeps_locks or (self._plain and bool(_TRANSACTION_WORDS.fullmatch(session.step.text)))
        steps = tuple(other.steps for other in self._sessions)
        if dies:
            self._kill(session)
        else:
            self._round_trips.start(session)
        self._settle((steps, session.index))
        for other in self._sessions:
            if other.connection.closed and other.outcome is not None and not other.gone:
                self._wait_monitor.kill(other, patience_ms=_KILL_PATIENCE_MS)  # its locks go with its backend
                other.gone = True
        for other in self._pending():
            if other.pending is not None and not other.waiting:
                other.waiting = True
                event = event_of(other, "waits", other.pending, blockers=other.blockers)
                self._events.append(event)

    def _kill(self, session: Session) -> None:
        assert session.step is not None
        self._events.append(Event(session.index, "dies", session.step.text))
        session.steps += 1
        self._wait_monitor.kill(session, patience_ms=_KILL_PATIENCE_MS)
        self._abandon(session)

    def _abandon(self, session: Session) -> None:
        """End a session wherever it is; its connection is not used again."""
        unfinished = session.outcome is None and session.failure is None
        session.step = session.pending = None
        if unfinished:
            session.connection.hub = None
            if not session.connection.closed:
                self._wait_monitor.kill(session)
                session.connection.close()
        if session.task is not None and not session.task.dead:
            session.task.throw(greenlet.GreenletExit)

    def _pending(self) -> list[Session]:
        return [session for session in self._sessions if session.pending is not None]

    def _settle(self, place: Place | None) -> None:
        """Return when every session under way has ended its step or, by the server's word, waits for another of ours.

        A cycle is not a wait: PostgreSQL ends it, after deadlock_timeout. place: where in the schedule a step has
        begun, None when none has.
        """
        begun = self._pending()
        self._await_answers(place, [session.index for session in begun])
        if place is not None:
            self._expected.note(place, {session.index for session in begun if session.pending is None})

    def _await_answers(self, place: Place | None, under_way: Sequence[int]) -> None:
        wait_s = self._expected.wait_s(place, under_way)
        while pending := self._pending():
            if time.monotonic() > self._deadline:
                raise OutOfTimeError
            moved = self._round_trips.poll(pending, wait_s)
            pending = self._pending()
            if not pending or self._all_wait_on(pending, place):
                return
            wait_s = self._expected.wait_s(place, [session.index for session in pending])
            if any(session.pending is not None for session in moved) or (moved and wait_s == SURE_S):
                continue
            waits = self._wait_monitor.waits(pending, self._sessions)
            if len(waits) == len(pending) and not is_cycle(waits):
                for session in pending:
                    session.blockers = tuple(sorted(waits[session.index]))
                return
            wait_s = POLL_S

    def _all_wait_on(self, pending: Sequence[Session], place: Place | None) -> bool:
        """Return whether the step that was made cannot have woken anybody: it took more locks, and let go of none."""
        if place is None or not self._keeps_locks or not all(session.waiting for session in pending):
            return False
        return self._sessions[place[1]].in_transaction

    def _stuck(self) -> str:
        """Return a message that says which session used up the time limit, and with what.

        A session that spent half of it in one place is stuck there; else the busiest one made too many round trips.
        """
        limit = f"a schedule did not end within {self._limit_s:g} s"
        late = [session for session in self._sessions if time.monotonic() - session.since > self._limit_s / 2]
        for session in late:
            if session.failure is not None:
                return (
                    f"{limit}: session {session.letter} was in its own code, between two round trips; it must not "
                    "sleep, loop for ever or use a connection of its own"
                )
        for session in late:
            if session.pending is not None:
                return f"{limit}: session {session.letter} got no answer to {session.pending.text.strip()[:80]!r}"
        busiest = max(self._sessions, key=lambda session: session.steps)
        return (
            f"{limit}: session {busiest.letter} had made {busiest.steps} round trips and went on; it must come to an "
            "end, or the limit must be raised with --limit"
        )


def _outcome(session: Session) -> Outcome:
    assert session.outcome is not None
    return session.outcome


# The first signal may find the scheduler at work, and then it must come again; not too soon, for psycopg looks for
# signals only when a tenth of a second has passed without one.
_AGAIN_S = 0.5


class OutOfTimeError(BaseException):
    """A schedule took too long. Not an Exception, so that a session's own `except Exception` cannot eat it."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Interrupt a session's own code after `seconds`. Signals reach the main thread only.

    The scheduler itself is never interrupted, or it would leave its monitor in the middle of a query: it looks at
    the clock between two of its own steps.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hub = greenlet.getcurrent()

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if greenlet.getcurrent() is not hub:
            raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, interrupt)
    begun = time.monotonic()
    others, others_again = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:  # somebody else's alarm clock, such as pytest-timeout's, goes on
            signal.setitimer(signal.ITIMER_REAL, max(others - (time.monotonic() - begun), 0.001), others_again)
