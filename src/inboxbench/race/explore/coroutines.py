"""Coroutines as sessions: each has an event loop of its own, and waits for the scheduler inside of it.

While a session's round trip waits for its place in the schedule, its whole event loop stands still, and the loops of
the other sessions go on in the same thread. So asyncio is told each time that no loop is running here.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import psycopg
from psycopg import pq
from psycopg.abc import Params, PQGen, Query
from psycopg.copy import AsyncLibpqWriter
from psycopg.rows import TupleRow

from inboxbench.errors import SubjectFailed
from inboxbench.race.engine import asyncpg_of
from inboxbench.race.explore.gated_cursor import copy_in

_ASYNCPG = {"fetch", "fetchrow", "fetchval", "fetchmany"}


class GatedAsyncCursor(psycopg.AsyncCursor[TupleRow]):
    """Says to its connection which statement the coming round trip is about, as `GatedCursor` does."""

    async def execute(self, query: Query, params: Params | None = None, **kwargs: Any) -> GatedAsyncCursor:
        cure = getattr(_gate(self), "cure", None)
        cured = query if cure is None else cure.before(query, params)
        _announce(self, cured, params)
        await super().execute(cured, params, **kwargs)  # type: ignore[arg-type]
        if cure is not None:
            cure.after(query, self)
        return self

    async def executemany(self, query: Query, params_seq: Iterable[Params], *, returning: bool = False) -> None:
        """Execute a statement for each, as others come in between."""
        results, rows = [], 0
        for params in params_seq:
            await self.execute(query, params, prepare=True)
            rows += max(self.rowcount, 0)
            results += self._results
        self._results = results if returning else []
        self._rowcount = rows
        if returning and results:
            self._select_current_result(0)

    async def stream(self, query: Query, params: Params | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        """Read the result at once, so that the statement has ended when the step has."""
        await self.execute(query, params, binary=kwargs.get("binary"))
        async for row in self:
            yield row

    @asynccontextmanager
    async def copy(
        self, statement: Query, params: Params | None = None, **kwargs: Any
    ) -> AsyncIterator[psycopg.AsyncCopy]:
        """Keep what is written until the end of the COPY, so that the server has all of it in one step."""
        _announce(self, statement, params)
        kwargs.setdefault("writer", _AtOnceWriter(self))
        async with super().copy(statement, params, **kwargs) as copy:
            yield copy


class _AtOnceWriter(AsyncLibpqWriter):
    def __init__(self, cursor: psycopg.AsyncCursor[Any]) -> None:
        super().__init__(cursor)
        self._blocks: list[bytes] = []

    async def write(self, data: Any) -> None:
        self._blocks.append(bytes(data))

    async def finish(self, exc: BaseException | None = None) -> None:
        if exc is not None:
            await super().finish(exc)
            return
        self.cursor._results = [await self.connection.wait(copy_in(self.connection.pgconn, self._blocks))]


def _gate(cursor: GatedAsyncCursor) -> psycopg.Connection[Any]:
    assert isinstance(cursor.connection, GatedAsyncConnection)
    return cursor.connection.gate


def _announce(cursor: GatedAsyncCursor, query: Query, parameters: Params | None) -> None:
    announce = getattr(_gate(cursor), "announce", None)
    if announce is not None:
        announce(query, cursor, parameters)


class GatedAsyncConnection(psycopg.AsyncConnection[TupleRow]):
    """The asynchronous side of a session's connection: the same session at the server, and the same gate.

    others: connections of other drivers that share the session, and end with it. ended_by: what ended the session while
    such a driver was at work.
    """

    def __init__(self, gate: psycopg.Connection[Any]) -> None:
        super().__init__(gate.pgconn)
        self.gate = gate
        self.others: list[Any] = []
        self.ended_by: BaseException | None = None
        self.cursor_factory = GatedAsyncCursor
        self._isolation_level = gate.isolation_level

    def __del__(self, _warn: Any = None) -> None:
        """Leave the session open: it is the gate's."""

    def __getattr__(self, name: str) -> Any:
        if name in _ASYNCPG:
            raise SubjectFailed(
                f"{name}() is asyncpg's, and this is a psycopg.AsyncConnection: say that the function takes an "
                "asyncpg.Connection (def claim(connection: asyncpg.Connection)), or call asyncpg_of(connection)"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    async def wait(self, gen: PQGen[Any], *args: Any, **kwargs: Any) -> Any:
        if getattr(gen, "__name__", "") == "notifies":
            return await super().wait(gen, *args, **kwargs)
        with loop_at_rest():
            return self.gate.wait(gen)

    async def commit(self) -> None:
        """An empty transaction needs no round trip, so it is no step."""
        if self._begun("COMMIT"):
            await super().commit()

    async def rollback(self) -> None:
        if self._begun("ROLLBACK"):
            await super().rollback()

    async def close(self) -> None:
        """Close the connection; what was not committed is rolled back, which others see, so it is a step."""
        if not self.closed:
            await self.rollback()
        await super().close()

    @asynccontextmanager
    async def pipeline(self) -> AsyncIterator[psycopg.AsyncPipeline]:
        """Execute the statements of a pipeline one by one: for the server that is what they are."""
        if self.autocommit:
            raise SubjectFailed("a pipeline in autocommit mode is one transaction: begin the transaction yourself")
        yield _NoPipeline(self)

    def _begun(self, word: str) -> bool:
        announce = getattr(self.gate, "announce", None)
        if self.pgconn.transaction_status == pq.TransactionStatus.IDLE:
            return False
        if announce is not None:
            announce(word, None)
        return True


@contextmanager
def loop_at_rest() -> Iterator[None]:
    """Take what asyncio keeps for each thread away from this session's loop for the block, so that others may run."""
    loop, task, hooks = asyncio.get_running_loop(), asyncio.current_task(), sys.get_asyncgen_hooks()
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


class _NoPipeline(psycopg.AsyncPipeline):
    async def sync(self) -> None:
        """Do nothing: each statement has its answer already."""


def run_coroutine(function: Callable[..., Awaitable[Any]], gate: psycopg.Connection[Any], *arguments: Any) -> Any:
    """Run `function(connection, *arguments)` to its end in an event loop of its own, and return what it returns."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: None if gate.closed else loop.default_exception_handler(context))
    try:
        return loop.run_until_complete(_awaited(function, gate, arguments))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _awaited(
    function: Callable[..., Awaitable[Any]], gate: psycopg.Connection[Any], arguments: tuple[Any, ...]
) -> Any:
    connection = GatedAsyncConnection(gate)
    try:
        if _takes_asyncpg(function):
            return await function(await asyncpg_of(connection), *arguments)
        return await function(connection, *arguments)
    finally:
        for other in connection.others:
            other.terminate()
        if connection.ended_by is not None:
            raise connection.ended_by


def _takes_asyncpg(function: Callable[..., Any]) -> bool:
    """Return whether the first parameter is said to be a connection of asyncpg's, as a class or by its name."""
    first = next(iter(inspect.signature(function).parameters.values())).annotation
    if isinstance(first, str):
        with suppress(Exception):  # a name that only a type checker knows
            first = eval(first, getattr(function, "__globals__", {}))  # noqa: S307 - as inspect does it
    return getattr(first, "__module__", str(first)).startswith("asyncpg.")
