"""One session of a schedule: a function in a greenlet of its own, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import greenlet
import psycopg
from psycopg.waiting import Wait

from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.gated_connection import GatedConnection, Step
from inboxbench.race.explore.schedule import LETTERS, Outcome

SessionFunction = Callable[[GatedConnection, int], Any]

# Classes of error that concurrency may bring: integrity, rollback, a lock not available, a rule of our own.
_REFUSALS = ("23", "40", "55", "P0", "IB")


@dataclass(eq=False)
class Session:
    """step: asked for and not begun; pending: begun and not ended.

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
        """The greenlet that the session lives in."""
        self.task = greenlet.greenlet(self._live)
        return self.task

    def _live(self) -> None:
        """Its function, then the end of its transaction. Errors become its outcome."""
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
            if not (error.sqlstate or "").startswith(_REFUSALS):
                raise
            self.connection.rollback()
            return Outcome("refused", sqlstate=error.sqlstate)
        return Outcome("committed", value)

    def failed(self, failure: BaseException) -> BaseException:
        """What to raise for a function that raised: its error named, unless it is one of ours or no Exception."""
        if isinstance(failure, Exception) and not isinstance(failure, SubjectFailed):
            text = str(failure).splitlines()[0] if str(failure) else ""
            return SubjectFailed(f"session {self.letter} raised {type(failure).__name__}: {text}")
        return failure
