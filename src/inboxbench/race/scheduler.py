"""Plays one schedule: lets sessions make their round trips in a given order, and asks the server who waits.

A schedule is a string: `ABBA` lets session A take a step, then B two, then A one. A small letter means that the
session's backend is killed there instead. A step that has to wait for a lock stays begun; its session leaves the
choice until the server says that it goes on.
"""

from __future__ import annotations

import select
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Literal

import greenlet
import psycopg
from psycopg import IsolationLevel, errors
from psycopg.waiting import Ready, Wait

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.gate import GatedConnection, Step
from inboxbench.race.seats import Seats

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# Long enough for a statement that is not blocked to end, short enough not to be felt: then the server is asked.
_GLANCE_MS = 1
# Classes of error that concurrency may bring: integrity, rollback, a lock not available, a rule of our own.
_REFUSALS = ("23", "40", "55", "P0", "IB")

SessionFunction = Callable[[GatedConnection, int], Any]
EndKind = Literal["committed", "refused", "died"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended: `value` is what its function returned, `sqlstate` the error that refused it."""

    kind: EndKind
    value: Any = None
    sqlstate: str | None = None

    @property
    def deadlocked(self) -> bool:
        return self.sqlstate == errors.DeadlockDetected.sqlstate


@dataclass(frozen=True, slots=True)
class Event:
    """A line of the timeline. kind: a step that ended at once, began to wait, went on, or a death."""

    session: int
    kind: Literal["step", "waits", "resumes", "dies"]
    text: str
    status: str = ""
    blockers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A point where the schedule could go several ways. `current`: the session that stepped last, if it still can."""

    ready: tuple[int, ...]
    current: int | None


@dataclass(frozen=True, slots=True)
class Play:
    """One schedule as it happened. diverged: a choice asked for was not possible, and another was taken instead."""

    schedule: str
    choices: tuple[Choice, ...]
    events: tuple[Event, ...]
    outcomes: tuple[Outcome, ...]
    steps: tuple[int, ...]
    diverged: bool

    @property
    def waited(self) -> bool:
        return any(event.kind == "waits" for event in self.events)

    @property
    def preemptions(self) -> int:
        """How often a session was left that could have gone on."""
        pairs = zip(self.schedule, self.choices, strict=True)
        return sum(choice.current is not None and LETTERS[choice.current] != letter for letter, choice in pairs)


class OutOfTimeError(BaseException):
    """The time limit of a play. Not an Exception, so that a session's own `except Exception` cannot eat it."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt even an endless loop in a session's function. Signals reach the main thread only.

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
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@dataclass
class _Session:
    """A session's state. step: asked for and not begun; pending: begun and not ended."""

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
    blockers: tuple[int, ...] = field(default=())

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def body(self) -> None:
        """The session's life: its function, then the end of its transaction. Errors become its outcome."""
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
                    f"session {LETTERS[self.index]} committed inside and went on: what is raced is one transaction a "
                    "session, which the explorer ends when the function returns; leave commit() and rollback() to it"
                )
        except psycopg.Error as error:
            if not (error.sqlstate or "").startswith(_REFUSALS):
                raise
            self.connection.rollback()
            return Outcome("refused", sqlstate=error.sqlstate)
        return Outcome("committed", value)


class Scheduler:
    """Plays schedules of the same sessions again and again. `monitor` sees other backends; it is never gated."""

    def __init__(
        self,
        seats: Seats,
        monitor: Connection,
        functions: Sequence[SessionFunction],
        *,
        level: IsolationLevel,
        limit_s: float,
    ) -> None:
        self._seats = seats
        self._monitor = monitor
        self._functions = functions
        self._level = level
        self._limit_s = limit_s
        self._sessions: list[_Session] = []
        self._events: list[Event] = []

    def close(self) -> None:
        """End every session, also one that waits for a lock."""
        for session in self._sessions:
            self._abandon(session)

    def play(self, prefix: str) -> Play:
        """`prefix`, then on without preemption to the end. Raises SubjectFailed when a session cannot be played."""
        self._begin()
        try:
            with _time_limit(self._limit_s):
                return self._play(prefix)
        except OutOfTimeError:
            raise SubjectFailed(self._stuck()) from None

    def _begin(self) -> None:
        hub = greenlet.getcurrent()
        self._events = []
        self._sessions = []
        for index, function in enumerate(self._functions):
            connection = self._seats.take(index, self._level)
            connection.enter(hub)
            self._sessions.append(_Session(index, connection, function))

    def _play(self, prefix: str) -> Play:
        self._deadline = time.monotonic() + self._limit_s
        for session in self._sessions:
            session.task = greenlet.greenlet(session.body)
            self._advance(session, lambda task: task.switch())
        letters: list[str] = []
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
            current = LETTERS.index(letter.upper())
            self._take(self._sessions[current], dies=letter.islower())
        outcomes = tuple(self._outcome(session) for session in self._sessions)
        steps = tuple(session.steps for session in self._sessions)
        return Play("".join(letters), tuple(choices), tuple(self._events), outcomes, steps, diverged)

    def _ready(self) -> tuple[int, ...]:
        """Sessions that may step now; waits while there are none and somebody is still under way."""
        while True:
            ready = tuple(session.index for session in self._sessions if session.step is not None)
            if ready or not any(session.pending for session in self._sessions):
                return ready
            self._settle()

    def _outcome(self, session: _Session) -> Outcome:
        assert session.outcome is not None
        return session.outcome

    def _take(self, session: _Session, *, dies: bool) -> None:
        assert session.step is not None
        if dies:
            self._kill(session)
        else:
            self._start(session)
        self._settle()
        for other in self._sessions:
            if other.pending is not None and not other.waiting:
                other.waiting = True
                self._events.append(Event(other.index, "waits", other.pending.text, blockers=other.blockers))

    def _kill(self, session: _Session) -> None:
        assert session.step is not None
        self._events.append(Event(session.index, "dies", session.step.text))
        session.steps += 1
        self._monitor.execute("SELECT pg_terminate_backend(%s, 5000)", (session.pid,))
        self._abandon(session)

    def _abandon(self, session: _Session) -> None:
        """End a session wherever it is; its connection is not used again."""
        unfinished = session.outcome is None and session.failure is None
        session.step = session.pending = None
        if unfinished:
            session.connection.hub = None
            if not session.connection.closed:
                self._monitor.execute("SELECT pg_terminate_backend(%s)", (session.pid,))
                session.connection.close()
        if session.task is not None and not session.task.dead:
            session.task.throw(greenlet.GreenletExit)

    def _start(self, session: _Session) -> None:
        session.pending, session.step = session.step, None
        session.steps += 1
        session.waiting = False
        self._pump(session, None)

    def _pump(self, session: _Session, ready: Ready | None) -> None:
        """Let the pending round trip go as far as it can; hand its result to the session when it has ended."""
        step = session.pending
        assert step is not None
        generator: Any = step.generator
        try:
            session.wants = next(generator) if ready is None else generator.send(ready)
        except StopIteration as stop:
            self._end_step(session, step, step.status or step.text)
            value = stop.value
            self._advance(session, lambda task: task.switch(value))
        except psycopg.Error as error:
            self._end_step(session, step, f"error {error.sqlstate}: {str(error).splitlines()[0]}")
            failure = error
            self._advance(session, lambda task: task.throw(failure))

    def _end_step(self, session: _Session, step: Step, status: str) -> None:
        session.pending = None
        kind: Literal["step", "resumes"] = "resumes" if session.waiting else "step"
        session.waiting = False
        self._events.append(Event(session.index, kind, step.text, status))

    def _advance(self, session: _Session, go: Callable[[greenlet.greenlet], Any]) -> None:
        """Run the session's own code up to its next round trip or its end."""
        assert session.task is not None
        step = go(session.task)
        if isinstance(step, Step):
            session.step = step
            return
        if session.failure is not None:
            raise self._failed(session, session.failure)

    def _failed(self, session: _Session, failure: BaseException) -> BaseException:
        if isinstance(failure, psycopg.Error | Exception) and not isinstance(failure, SubjectFailed):
            text = str(failure).splitlines()[0] if str(failure) else ""
            return SubjectFailed(f"session {LETTERS[session.index]} raised {type(failure).__name__}: {text}")
        return failure

    def _settle(self) -> None:
        """Return when every session under way has ended its step or, by the server's word, waits for another of ours.

        A cycle is not a wait: PostgreSQL ends it, after deadlock_timeout.
        """
        fresh = any(session.pending is not None and not session.waiting for session in self._sessions)
        glance = _GLANCE_MS if fresh else 0
        while pending := [session for session in self._sessions if session.pending is not None]:
            if time.monotonic() > self._deadline:
                raise OutOfTimeError
            self._poll(pending, glance)
            glance = _GLANCE_MS
            pending = [session for session in pending if session.pending is not None]
            if not pending:
                continue
            waits = self._who_waits(pending)
            if len(waits) == len(pending) and not _cycle(waits):
                for session in pending:
                    session.blockers = tuple(sorted(waits[session.index]))
                return

    def _poll(self, pending: Sequence[_Session], glance: float) -> None:
        """Move those on that the server has answered."""
        poller = select.poll()
        by_socket = {}
        for session in pending:
            events = (select.POLLIN if session.wants & Wait.R else 0) | (
                select.POLLOUT if session.wants & Wait.W else 0
            )
            poller.register(session.connection.pgconn.socket, events)
            by_socket[session.connection.pgconn.socket] = session
        for socket, event in poller.poll(glance):
            ready = (Ready.R if event & ~select.POLLOUT else 0) | (Ready.W if event & select.POLLOUT else 0)
            self._pump(by_socket[socket], Ready(ready))

    def _who_waits(self, pending: Sequence[_Session]) -> dict[int, set[int]]:
        """session → the sessions that it waits for. Those that wait for nobody, or for a stranger, are left out."""
        by_pid = {session.pid: session.index for session in self._sessions if not session.connection.closed}
        rows = self._monitor.execute(
            "SELECT pid, pg_blocking_pids(pid) FROM unnest(%s::int[]) AS pid", ([session.pid for session in pending],)
        )
        waits = {by_pid[pid]: {by_pid[other] for other in others if other in by_pid} for pid, others in rows}
        return {index: others for index, others in waits.items() if others}

    def _stuck(self) -> str:
        running = next((session for session in self._sessions if session.failure is not None), None)
        pending = next((session for session in self._sessions if session.pending is not None), None)
        limit = f"a schedule did not end within {self._limit_s:g} s"
        if running is not None:
            return (
                f"{limit}: session {LETTERS[running.index]} was in its own code, between two round trips; it must not "
                "sleep, loop for ever or use a connection of its own"
            )
        if pending is not None and pending.pending is not None:
            return f"{limit}: session {LETTERS[pending.index]} got no answer to {pending.pending.text.strip()[:80]!r}"
        return f"{limit}: raise the limit if the machine is slow"


def _cycle(waits: Mapping[int, set[int]]) -> bool:
    """Whether somebody waits, through others, for itself."""

    def reaches(start: int, target: int, seen: set[int]) -> bool:
        if start in seen:
            return False
        seen.add(start)
        return any(other == target or reaches(other, target, seen) for other in waits.get(start, ()))

    return any(reaches(index, index, set()) for index in waits)
