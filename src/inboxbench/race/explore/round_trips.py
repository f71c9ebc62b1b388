"""Moves the round trips of sessions on as far as the server has answered."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import greenlet
import psycopg
from psycopg import pq
from psycopg.waiting import Ready, Wait

from inboxbench.race.explore.gated_connection import Step
from inboxbench.race.explore.model import Event
from inboxbench.race.explore.session import Session

# Sockets from here on are beyond select(), which alone knows fractions of a millisecond.
_SELECT_END = 1024

_AFTER: dict[int, Literal["none", "failed"]] = {
    pq.TransactionStatus.IDLE: "none",
    pq.TransactionStatus.INERROR: "failed",
}


def event_of(session: Session, kind: Literal["step", "waits", "resumes"], step: Step, **facts: Any) -> Event:
    """Return the event of a step with what tells which others it may be exchanged with."""
    level = session.connection.isolation_level
    return Event(session.index, kind, step.text, parameters=step.parameters, level=level, **facts)


class Recorder(Protocol):
    """Looks closer at a schedule while it is played."""

    def begin(self, sessions: Sequence[Session]) -> None:
        """Called before the sessions begin."""
        ...

    def end(self, session: Session, step: Step, number: int) -> None:
        """Called when a step has ended, before its session goes on. number: of its event, from 0."""
        ...


class RoundTrips:
    """Begins and ends the round trips of sessions; appends what happened to `events`."""

    def __init__(
        self,
        events: list[Event],
        watch: Callable[[Session], None] | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """watch: called each time after a session's own code has run."""
        self._events = events
        self._watch = watch
        self._recorder = recorder

    def start(self, session: Session) -> None:
        """Begin the step that the session asked for."""
        assert session.step is not None
        if not session.step.continues:
            session.steps += 1
            session.waiting = False
        session.pending, session.step = session.step, None
        session.since = time.monotonic()
        self._move(session, None)

    def poll(self, pending: Sequence[Session], seconds: float) -> list[Session]:
        """Move on the sessions that the server has answered, and return them; wait at most `seconds` for the first.

        A step may take several answers: that of BEGIN comes before that of its statement.
        """
        by_socket = {session.connection.pgconn.socket: session for session in pending}
        answered = _answered({socket: session.wants for socket, session in by_socket.items()}, seconds)
        for socket, ready in answered:
            self._move(by_socket[socket], ready)
        return [by_socket[socket] for socket, _ in answered]

    def _move(self, session: Session, ready: Ready | None) -> None:
        """Let the pending round trip go as far as it can; hand its result to the session when it has ended."""
        step = session.pending
        assert step is not None
        generator: Any = step.generator
        try:
            session.wants = next(generator) if ready is None else generator.send(ready)
        except StopIteration as stop:
            self._end_step(session, step, step.status or step.text)
            value = stop.value
            self.advance(session, lambda task: task.switch(value))
        except psycopg.Error as error:
            self._end_step(session, step, f"error {error.sqlstate}: {str(error).splitlines()[0]}")
            failure = error
            self.advance(session, lambda task: task.throw(failure))

    def _end_step(self, session: Session, step: Step, status: str) -> None:
        session.pending = None
        if step.prepares:
            return
        kind: Literal["step", "resumes"] = "resumes" if session.waiting else "step"
        session.waiting = False
        after: Literal["open", "none", "failed"] = _AFTER.get(session.connection.transaction_status, "open")
        self._events.append(event_of(session, kind, step, status=status, transaction=after))
        if self._recorder is not None:
            self._recorder.end(session, step, len(self._events) - 1)

    def advance(self, session: Session, go: Callable[[greenlet.greenlet], Any]) -> None:
        """Run the session's own code up to its next round trip or its end. Raises what its function raised."""
        assert session.task is not None
        session.since = time.monotonic()
        step = go(session.task)
        if self._watch is not None:
            self._watch(session)
        if isinstance(step, Step):
            session.step = step
            if step.continues:
                self.start(session)
        elif session.failure is not None:
            raise session.failed(session.failure)


def _answered(wants: Mapping[int, Wait], seconds: float) -> list[tuple[int, Ready]]:
    """Return the sockets that are ready within `seconds`, and for what."""
    if max(wants) >= _SELECT_END:
        return _polled(wants, seconds)
    readers = [socket for socket, want in wants.items() if want & Wait.R]
    writers = [socket for socket, want in wants.items() if want & Wait.W]
    readable, writable, _ = select.select(readers, writers, (), seconds)
    ready = dict.fromkeys(writable, Ready.W)
    return list({**ready, **{socket: Ready(Ready.R | ready.get(socket, 0)) for socket in readable}}.items())


def _polled(wants: Mapping[int, Wait], seconds: float) -> list[tuple[int, Ready]]:
    poller = select.poll()
    for socket, want in wants.items():
        events = (select.POLLIN if want & Wait.R else 0) | (select.POLLOUT if want & Wait.W else 0)
        poller.register(socket, events)
    answers = poller.poll(math.ceil(seconds * 1000))
    return [(socket, Ready.W if event == select.POLLOUT else Ready.R) for socket, event in answers]
