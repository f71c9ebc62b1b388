"""A cursor that says which statement a round trip is about, and makes one round trip of each statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
from psycopg import pq
from psycopg.abc import Params, PQGen, Query
from psycopg.copy import LibpqWriter
from psycopg.generators import copy_end, copy_to
from psycopg.rows import TupleRow

# libpq takes larger blocks badly.
_BLOCK = 1 << 20


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

    @property
    def _gate(self) -> Any:
        """Return the connection when it asks a scheduler, else None."""
        return self.connection if getattr(self.connection, "asks", False) else None

    def execute(self, query: Query, params: Params | None = None, **kwargs: Any) -> GatedCursor:
        cure = self._gate.cure if self._gate else None
        cured = query if cure is None else cure.before(query, params)
        self._announce(cured, params)
        super().execute(cured, params, **kwargs)  # type: ignore[arg-type]
        if cure is not None:
            cure.after(query, self)
        return self

    def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """Execute a statement for each: a batch is not one thing for the server, and others come in between."""
        if not self._gate:
            super().executemany(query, params_seq, returning=returning)
            return
        results, rows = [], 0
        for params in params_seq:
            self.execute(query, params, prepare=True)
            rows += max(self.rowcount, 0)
            results += self._results
        self._results = results if returning else []
        self._rowcount = rows
        if returning and results:
            self._select_current_result(0)

    def stream(self, query: Query, params: Params | None = None, **kwargs: Any) -> Iterator[Any]:
        """Read the result at once, so that the statement has ended when the step has."""
        if not self._gate:
            yield from super().stream(query, params, **kwargs)
            return
        self.execute(query, params, binary=kwargs.get("binary"))
        yield from self

    @contextmanager
    def copy(self, statement: Query, params: Params | None = None, **kwargs: Any) -> Iterator[psycopg.Copy]:
        """Keep what is written until the end of the COPY, so that the server has all of it in one step."""
        self._announce(statement)
        if self._gate and kwargs.get("writer") is None:
            kwargs["writer"] = _AtOnceWriter(self)
        with super().copy(statement, params, **kwargs) as copy:
            yield copy

    def _announce(self, query: Query, parameters: Params | None = None) -> None:
        if self._gate:
            self._gate.announce(query, self, parameters)


_classes: dict[Any, type[GatedCursor]] = {}


def gated_class(kind: type[psycopg.Cursor[Any]]) -> type[psycopg.Cursor[Any]]:
    """Return a cursor class, such as Django's own, that passes the gate, too."""
    if issubclass(kind, GatedCursor):
        return kind
    if kind not in _classes:
        _classes[kind] = type(kind.__name__, (GatedCursor, kind), {})
    return _classes[kind]


class _AtOnceWriter(LibpqWriter):
    """Sends the rows of a COPY when it ends: rows on their way would arrive whenever the server likes."""

    def __init__(self, cursor: psycopg.Cursor[Any]) -> None:
        super().__init__(cursor)
        self._blocks: list[bytes] = []

    def write(self, data: Any) -> None:
        self._blocks.append(bytes(data))

    def finish(self, exc: BaseException | None = None) -> None:
        if exc is not None:
            super().finish(exc)
            return
        self.cursor._results = [self.connection.wait(copy_in(self.connection.pgconn, self._blocks))]


def copy_in(pgconn: pq.abc.PGconn, blocks: Sequence[bytes]) -> PQGen[Any]:
    """Send blocks of a COPY and its end, and return the result."""
    for block in blocks:
        for start in range(0, len(block), _BLOCK):
            yield from copy_to(pgconn, block[start : start + _BLOCK])
    return (yield from copy_end(pgconn, None))
