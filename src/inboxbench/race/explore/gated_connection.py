"""A connection that stops before each round trip: psycopg sends every one through `Connection.wait`.

A session's function is ordinary code in a greenlet. When its connection is about to make a round trip, the greenlet
switches to the scheduler with a `Step`; it gets the step's result back when the scheduler has let it happen. Plain
psycopg passes through here, and so does SQLAlchemy on top of it, without a change to either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import greenlet
import psycopg
from psycopg import pq, sql
from psycopg.abc import Params, PQGen, Query
from psycopg.rows import TupleRow

if TYPE_CHECKING:
    from sqlalchemy import Engine


# A setting that no module defines. RESET leaves it empty, where a new session has none.
CUSTOM_SETTING = re.compile(r"set_config\s*\(|\bset\s+(?:local\s+|session\s+)?\w+\.\w", re.IGNORECASE)


# Setters of psycopg that pass through `wait` and change an attribute alone, and the wait for what others send.
_NOTHING_SENT = {
    *("_set_autocommit_gen", "_set_isolation_level_gen", "_set_read_only_gen", "_set_deferrable_gen"),
    "notifies",
}


class Step:
    """One round trip that has not been made yet. BEGIN travels with the first statement and is no step of its own."""

    __slots__ = ("cursor", "generator", "parameters", "text")

    def __init__(
        self, text: str, generator: PQGen[Any], cursor: psycopg.Cursor[Any] | None, parameters: Params | None = None
    ) -> None:
        self.text = text
        self.generator = generator
        self.cursor = cursor
        self.parameters = parameters

    @property
    def status(self) -> str:
        """Return the server's word for what was done, such as "UPDATE 1"; empty when it has none."""
        return (self.cursor.statusmessage or "") if self.cursor is not None else ""


class StatementCure(Protocol):
    """Changes the statements of a function on their way to the server, to see whether that would cure a race."""

    def before(self, query: Query, parameters: Params | None) -> Query:
        """Return what is executed instead, with the same parameters."""
        ...

    def after(self, query: Query, cursor: psycopg.Cursor[Any]) -> None:
        """Look at the result. query: as the function has it. Raises psycopg.Error to refuse the session."""
        ...


class GatedCursor(psycopg.Cursor[TupleRow]):
    """Says to its connection which statement the coming round trip is about."""

    def execute(self, query: Query, params: Params | None = None, **kwargs: Any) -> GatedCursor:
        cure = self.connection.cure if isinstance(self.connection, GatedConnection) else None
        cured = query if cure is None else cure.before(query, params)
        self._announce(cured, params)
        super().execute(cured, params, **kwargs)  # type: ignore[arg-type]
        if cure is not None:
            cure.after(query, self)
        return self

    def executemany(self, query: Query, *args: Any, **kwargs: Any) -> None:
        self._announce(query)
        super().executemany(query, *args, **kwargs)

    def _announce(self, query: Query, parameters: Params | None = None) -> None:
        if isinstance(self.connection, GatedConnection):
            self.connection.announce(query, self, parameters)


def _readable(query: Query, connection: psycopg.Connection[Any]) -> str:
    if isinstance(query, sql.Composable):
        return query.as_string(connection)
    return query.decode() if isinstance(query, bytes) else str(query)


class GatedConnection(psycopg.Connection[TupleRow]):
    """A connection that asks `hub`, the scheduler's greenlet, before each round trip. Without a hub it is plain.

    ended: its transaction was committed or rolled back in this schedule; went_on: and another one was begun after.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hub: greenlet.greenlet | None = None
        self.ended = False
        self.went_on = False
        self._custom = False
        self._savepoints = False
        self.met_by_engine = False
        self.cure: StatementCure | None = None
        self._text: Query = ""
        self._cursor: psycopg.Cursor[Any] | None = None
        self._parameters: Params | None = None
        self.cursor_factory = GatedCursor

    def renew(self) -> bool:
        """Make the session as new, at the server and here. Returns False when only another connection can be that."""
        pgconn = self.pgconn
        if self.closed or self._custom:
            return False
        if pgconn.transaction_status != pq.TransactionStatus.IDLE:
            pgconn.exec_(b"ROLLBACK")
        if pgconn.exec_(b"DISCARD ALL").status != pq.ExecStatus.COMMAND_OK:
            return False
        while pgconn.notifies() is not None:
            pass
        vars(self).clear()
        GatedConnection.__init__(self, pgconn)
        return True

    def announce(self, query: Query, cursor: psycopg.Cursor[Any] | None, parameters: Params | None = None) -> None:
        """Say what the next round trip is about."""
        self._text, self._cursor, self._parameters = query, cursor, parameters

    def wait(self, gen: PQGen[Any], *args: Any, **kwargs: Any) -> Any:
        if self.hub is None or greenlet.getcurrent() is self.hub:
            return super().wait(gen, *args, **kwargs)
        name = getattr(gen, "__name__", "")
        step = Step(_readable(self._text, self) or name, gen, self._cursor, self._parameters)
        self._text, self._cursor, self._parameters = "", None, None
        if self._is_no_choice(name, step.text):
            return super().wait(gen, *args, **kwargs)
        self.went_on = self.went_on or self.ended
        self._custom = self._custom or bool(CUSTOM_SETTING.search(step.text))
        return self.hub.switch(step)

    def _is_no_choice(self, name: str, text: str) -> bool:
        """Return whether nobody can see when this happens: nothing is sent, or the transaction has failed already.

        With a failed transaction all its locks are gone; only where savepoints are left does a ROLLBACK free more.
        """
        status = self.pgconn.transaction_status
        if status == pq.TransactionStatus.IDLE:
            self._savepoints = False
        elif name == "_enter_gen" or "savepoint" in text.lower():
            self._savepoints = True
        return name in _NOTHING_SENT or (status == pq.TransactionStatus.INERROR and not self._savepoints)

    def enter(self, hub: greenlet.greenlet) -> None:
        """Begin a schedule: from here on every round trip asks `hub`."""
        self.hub, self.ended, self.went_on, self.cure = hub, False, False, None

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
        if self.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            return
        self.announce(word, None)
        if word == "COMMIT":
            super().commit()
        else:
            super().rollback()
        self.ended = self.hub is not None


_engines: WeakKeyDictionary[GatedConnection, Engine] = WeakKeyDictionary()


def engine_of(connection: GatedConnection) -> Engine:
    """Return an engine whose only connection is `connection`: Core and ORM code on it is explored as it stands.

    What SQLAlchemy asks a server once, when it meets it, is asked here and is no step of the session.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415 - most functions use psycopg alone
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    engine = _engines.get(connection)
    if engine is None:
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        _engines[connection] = engine
    if not connection.met_by_engine:
        engine.dispose(close=False)
        with connection.ungated():
            engine.connect().close()
        connection.met_by_engine = True
    return engine
