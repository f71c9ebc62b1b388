"""asyncpg's connections inside a session of the explorer: each is the session that its coroutine was given.

asyncpg speaks PostgreSQL's protocol itself, over a transport of its event loop. It gets a transport that hands what it
writes to the session's relay (`explore.relay`), and everything else of it is asyncpg's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import psycopg
from greenlet import GreenletExit
from psycopg import sql

from inboxbench.race.explore.coroutines import GatedAsyncConnection, loop_at_rest
from inboxbench.race.explore.relay import Relay
from inboxbench.sqltree import tokens

# asyncpg takes a path for a Unix socket; nothing is there, and nobody looks.
_NOWHERE = "/inboxbench"


async def opened(connection: GatedAsyncConnection) -> Any:
    """Return an `asyncpg.Connection` that is the session of `connection`.

    Raises SubjectFailed where it is encrypted.
    """
    info = connection.info
    loop: Any = _Loop(asyncio.get_running_loop(), connection)
    other = await asyncpg.connect(
        host=_NOWHERE, user=info.user, database=info.dbname, ssl=False, loop=loop, connection_class=_Connection
    )
    connection.others.append(other)
    connection.gate.own_settings = ("jit",)  # type: ignore[attr-defined]
    return other


class _Connection(asyncpg.Connection):  # type: ignore[misc]
    """Says to the relay which values the statement has that is sent next, and what is no statement of the function."""

    async def _introspect_types(self, *args: Any) -> Any:
        return await self._for_itself(super()._introspect_types(*args))

    async def _introspect_type(self, *args: Any) -> Any:
        return await self._for_itself(super()._introspect_type(*args))

    async def _for_itself(self, question: Awaitable[Any]) -> Any:
        relay = self._transport.relay
        before, relay.asks_for_itself = relay.asks_for_itself, True
        try:
            return await question
        finally:
            relay.asks_for_itself = before

    async def _execute(self, query: str, args: Sequence[Any], *rest: Any, **options: Any) -> Any:
        relay = self._transport.relay
        relay.literal = _with_values(query, args)
        try:
            return await super()._execute(query, args, *rest, **options)
        finally:
            relay.literal = ""


def _with_values(query: str, args: Sequence[Any]) -> str:
    """Return a statement with its values in the place of $1, $2 …; as it is where one has no text."""
    pieces, end = [], 0
    with suppress(psycopg.Error, IndexError, ValueError):
        for token in tokens.scan(query):
            if token.kind == "parameter":
                pieces += [query[end : token.start], sql.Literal(args[int(token.value[1:]) - 1]).as_string()]
                end = token.end
        return "".join(pieces) + query[end:]
    return query


class _Loop:
    """The session's event loop, but for what it connects to."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: GatedAsyncConnection) -> None:
        self._loop = loop
        self._connection = connection
        self._connected = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_unix_connection(self, factory: Any, _path: str) -> tuple[_Transport, Any]:
        if self._connected:  # to ask that a statement be cancelled, whose session stands still until it is answered
            raise ConnectionError("a session has one connection")
        self._connected = True
        protocol = factory()
        transport = _Transport(self._loop, protocol, self._connection)
        protocol.connection_made(transport)
        return transport, protocol


class _Transport(asyncio.Transport):
    """Carries what asyncpg writes to the relay, and what the server answers back, when the event loop goes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, connection: GatedAsyncConnection) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._paused: list[bytes] | None = None
        self._closing = False
        self._connection = connection
        self.relay = Relay(connection.gate, self._deliver)  # type: ignore[arg-type]

    def write(self, data: Any) -> None:
        try:
            with loop_at_rest():
                self.relay.write(bytes(data))
        except (GreenletExit, SystemExit) as end:  # asyncpg eats it, and waits for an answer
            self._connection.ended_by = end
            self._loop.call_soon(self._protocol.connection_lost, None)
        if self.relay.ended:
            self.close()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def _deliver(self, data: bytes) -> None:
        if self._paused is not None:
            self._paused.append(data)
        else:
            self._loop.call_soon(self._protocol.data_received, data)

    def pause_reading(self) -> None:
        self._paused = self._paused or []

    def resume_reading(self) -> None:
        waiting, self._paused = self._paused or [], None
        for data in waiting:
            self._deliver(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()
