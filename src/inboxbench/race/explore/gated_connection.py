"""A connection that stops before each round trip: psycopg sends every one through `Connection.wait`.

A session's function is ordinary code in a greenlet. When its connection is about to make a round trip, the greenlet
switches to the scheduler with a `Step`; it gets the step's result back when the scheduler has let it happen. Plain
psycopg passes through here, and so does SQLAlchemy on top of it, without a change to either.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import greenlet
import psycopg
from psycopg import pq, sql
from psycopg.abc import Params, PQGen, Query
from psycopg.rows import TupleRow

from inboxbench.race.engine import engine_of  # noqa: F401 - it was here first, and functions import it from here
from inboxbench.race.explore.gated_cursor import GatedCursor, StatementCure, gated_class
from inboxbench.race.explore.skipped import Taken, taken_by

if TYPE_CHECKING:
    from inboxbench.race.explore.relay import Relay

# A setting that no module defines. RESET leaves it empty, where a new session has none.
CUSTOM_SETTING = re.compile(r"set_config\s*\(|\bset\s+(?:local\s+|session\s+)?\w+\.\w", re.IGNORECASE)
# Setters of psycopg that pass through `wait` and change an attribute alone; the wait for what others send; and the
# reading of rows that the server sends since a step of before.
_NO_STEPS = {
    *("_set_autocommit_gen", "_set_isolation_level_gen", "_set_read_only_gen", "_set_deferrable_gen"),
    "notifies",
    *("_read_gen", "_read_row_gen", "_end_copy_out_gen"),
}
_WORDS = {
    "copy_in": "end of COPY",
    "copy_end": "end of COPY",
    "_declare_gen": "DECLARE CURSOR",
    "_fetch_gen": "FETCH",
    "_close_gen": "CLOSE",
}


# Ends a function whose session cannot be scheduled. Exactly this class ends a thread without a traceback.
MisuseError = SystemExit


class Step:
    """One round trip that has not been made yet. BEGIN travels with the first statement and is no step of its own.

    prepares: another round trip follows at once and is what the step is about; continues: this is that one.
    """

    __slots__ = ("continues", "cursor", "generator", "parameters", "prepares", "text")

    def __init__(
        self,
        text: str,
        generator: PQGen[Any],
        cursor: psycopg.Cursor[Any] | None,
        parameters: Params | None = None,
        *,
        prepares: bool = False,
        continues: bool = False,
    ) -> None:
        self.text = text
        self.generator = generator
        self.cursor = cursor
        self.parameters = parameters
        self.prepares = prepares
        self.continues = continues

    @property
    def status(self) -> str:
        """Return the server's word for what was done, such as "UPDATE 1"; empty when it has none."""
        return (self.cursor.statusmessage or "") if self.cursor is not None else ""


def _readable(query: Query, connection: psycopg.Connection[Any]) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    return query.decode() if isinstance(query, bytes) else str(query)


class _NoPipeline(psycopg.Pipeline):
    """Stands for a pipeline whose statements are sent one by one, as the server executes them."""

    def sync(self) -> None:
        """Do nothing: each statement has its answer already."""


class GatedConnection(psycopg.Connection[TupleRow]):
    """A connection that asks `hub`, the scheduler's greenlet, before each round trip. Without a hub it is plain.

    misuse: what its function did with it that no schedule can order; empty when all is well. own_settings: those that
    an object mapper makes when it connects. untracked: it sent something that was no step. as_new: what it sent since
    it was made as new left nothing at the server that a session keeps. relay: through which another driver uses it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hub: greenlet.greenlet | None = None
        self.misuse = ""
        self._thread = threading.get_ident()
        self._custom = False
        self.untracked = False
        self.as_new = False
        self.relay: Relay | None = None
        self._savepoints = False
        self.met_by_engine = False
        self.taken: list[Taken] = []
        self.own_settings: tuple[str, ...] = ()
        self.cure: StatementCure | None = None
        self._text: Query = ""
        self._cursor: psycopg.Cursor[Any] | None = None
        self._parameters: Params | None = None
        self.cursor_factory = GatedCursor

    def begin_renewal(self) -> bool:
        """Begin to make the session as new. Returns False when only another connection can be that."""
        if self.closed or self._custom or (self.relay is not None and not self.relay.at_rest):
            return False
        if self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            self.pgconn.exec_(b"ROLLBACK")
            self.as_new = False
        self.as_new = self.as_new and not self._prepared._names
        if not self.as_new:
            self.pgconn.send_query(b"DISCARD ALL")
        return True

    def end_renewal(self) -> bool:
        """Make the session as new here, when it is so at the server. Returns False when it cannot be."""
        pgconn = self.pgconn
        renewed = self.as_new
        while not renewed and (result := pgconn.get_result()) is not None:
            renewed = result.status == pq.ExecStatus.COMMAND_OK
            if not renewed:
                return False
        while pgconn.get_result() is not None:
            continue
        while pgconn.notifies() is not None:
            pass
        vars(self).clear()
        GatedConnection.__init__(self, pgconn)
        return True

    def announce(self, query: Query, cursor: psycopg.Cursor[Any] | None, parameters: Params | None = None) -> None:
        """Say what the next round trip is about."""
        self._text, self._cursor, self._parameters = query, cursor, parameters

    @property
    def transaction_status(self) -> pq.TransactionStatus:
        """Return how the transaction stands, also where another driver made it."""
        return self.info.transaction_status if self.relay is None else self.relay.status

    def wait(self, gen: PQGen[Any], *args: Any, prepares: bool = False, continues: bool = False, **kwargs: Any) -> Any:
        if self.hub is None or not self.asks:
            self.untracked = True
            return super().wait(gen, *args, **kwargs)
        name = getattr(gen, "__name__", "")
        text = _readable(self._text, self) or self._word(name)
        step = Step(text, gen, self._cursor, self._parameters, prepares=prepares, continues=continues)
        self._text, self._cursor, self._parameters = "", None, None
        self._require_schedulable(name)
        if self._is_no_choice(name, step.text):
            return super().wait(gen, *args, **kwargs)
        self._custom = self._custom or bool(CUSTOM_SETTING.search(step.text))
        value = self.hub.switch(step)
        if (taken := taken_by(step.text, step.cursor)) is not None:
            self.taken.append(taken)
        return value

    def wait_ungated(self, gen: PQGen[Any]) -> Any:
        """Make a round trip that nobody can see, whatever is scheduled."""
        return super().wait(gen)

    @property
    def cursor_factory(self) -> type[psycopg.Cursor[Any]]:
        """Return the class of cursors; one that is set, as Django does, passes the gate, too."""
        return self._cursor_class

    @cursor_factory.setter
    def cursor_factory(self, kind: type[psycopg.Cursor[Any]]) -> None:
        self._cursor_class = gated_class(kind)

    @property
    def asks(self) -> bool:
        """Return whether a round trip made here and now is a step of a schedule."""
        return self.hub is not None and greenlet.getcurrent() is not self.hub

    def _require_schedulable(self, name: str) -> None:
        """End the function that does what no schedule can order; `misuse` says what it was."""
        if threading.get_ident() != self._thread:
            self.misuse = "used its connection in another thread; use it in the thread that the function is called in"
        elif name.startswith("_executemany_gen"):
            self.misuse = "sent a batch over a cursor that it made by its class; use connection.cursor()"
        if self.misuse:
            raise MisuseError

    def close(self) -> None:
        """Close the connection; what was not committed is rolled back, which others see, so it is a step."""
        if self.asks and not self.closed and threading.get_ident() == self._thread:
            self.rollback()
        super().close()

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """Execute the statements of a pipeline one by one: for the server that is what they are."""
        if not self.asks:
            with super().pipeline() as pipeline:
                yield pipeline
            return
        if self.autocommit:
            self.misuse = (
                "opened a pipeline on a connection in autocommit mode, which makes one transaction of what is sent "
                "between two syncs; begin the transaction yourself"
            )
            raise MisuseError
        yield _NoPipeline(self)

    def _is_no_choice(self, name: str, text: str) -> bool:
        """Return whether nobody can see when this happens: nothing is sent, or the transaction has failed already.

        With a failed transaction all its locks are gone; only where savepoints are left does a ROLLBACK free more.
        """
        status = self.transaction_status
        if status == pq.TransactionStatus.IDLE:
            self._savepoints = False
        elif name == "_enter_gen" or "savepoint" in text.lower():
            self._savepoints = True
        return name in _NO_STEPS or (status == pq.TransactionStatus.INERROR and not self._savepoints)

    def _word(self, name: str) -> str:
        """Return what to call a round trip that no statement was announced for."""
        inside = self.pgconn.transaction_status != pq.TransactionStatus.IDLE
        if name == "_enter_gen":
            return "SAVEPOINT" if inside else "BEGIN"
        if name == "_exit_gen":
            return "RELEASE SAVEPOINT" if self._num_transactions > 1 or self._savepoints else "COMMIT"
        return _WORDS.get(name, name)

    def enter(self, hub: greenlet.greenlet) -> None:
        """Begin a schedule: from here on every round trip asks `hub`."""
        self.hub, self.misuse, self.cure, self._thread = hub, "", None, threading.get_ident()

    @contextmanager
    def ungated(self) -> Iterator[None]:
        """For round trips that belong to the set-up and not to what is raced."""
        hub, self.hub = self.hub, None
        try:
            yield
        finally:
            self.hub = hub

    def commit(self) -> None:
        """An empty transaction needs no round trip, so it is no step."""
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def _end(self, word: str) -> None:
        if self.relay is not None:
            self.relay.finish()
        if self.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            return
        self.announce(word, None)
        if word == "COMMIT":
            super().commit()
        else:
            super().rollback()
