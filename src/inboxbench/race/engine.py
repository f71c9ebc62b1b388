"""Makes a session's connection what other libraries work on: SQLAlchemy's engine, Django's or asyncpg's connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from inboxbench.race.explore.coroutines import GatedAsyncConnection
    from inboxbench.race.explore.gated_connection import GatedConnection

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


def async_engine_of(connection: GatedAsyncConnection) -> AsyncEngine:
    """Return an asynchronous engine whose only connection is the one that a coroutine was given.

    What SQLAlchemy asks a server once, when it meets it, is no step of the session.
    """
    from sqlalchemy import event  # noqa: PLC0415 - most functions use psycopg alone
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415
    from sqlalchemy.pool import StaticPool  # noqa: PLC0415

    gate: Any = connection.gate
    asked = []

    async def creator() -> GatedAsyncConnection:
        asked.append(gate.hub)
        gate.hub = None
        return connection

    def met(*_: object) -> None:
        gate.hub = asked.pop()

    engine = create_async_engine("postgresql+psycopg_async://", async_creator=creator, poolclass=StaticPool)
    event.listen(engine.sync_engine, "connect", met)
    return engine


async def asyncpg_of(connection: GatedAsyncConnection) -> Any:
    """Return an `asyncpg.Connection` that is the session of the connection that a coroutine was given.

    A function whose first parameter is annotated with `asyncpg.Connection` gets one without this call. Raises
    SubjectFailed where the connection is encrypted.
    """
    from inboxbench.race.asyncpg_engine import opened  # noqa: PLC0415 - most functions use psycopg alone

    return await opened(connection)


def django_of(connection: GatedConnection, alias: str = "default") -> Any:
    """Make `connection` Django's connection `alias` until the session ends, and return it.

    Models, managers, `atomic()` and raw cursors then work on it as they stand. What Django asks a server when it
    connects is no step of the session. Raises SubjectFailed where Django has no settings.
    """
    from inboxbench.race.django_engine import wrapped  # noqa: PLC0415 - most functions use psycopg alone

    return wrapped(connection, alias)
