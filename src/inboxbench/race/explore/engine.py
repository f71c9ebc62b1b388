"""SQLAlchemy on a gated connection."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from inboxbench.race.explore.gated_connection import GatedConnection

_engines: WeakKeyDictionary[GatedConnection, Engine] = WeakKeyDictionary()


def engine_of(connection: GatedConnection) -> Engine:
    """An engine whose only connection is `connection`: Core and ORM code on it is explored as it stands.

    What SQLAlchemy asks a server once, when it meets it, is asked here and is no step of the session.
    """
    if connection not in _engines:
        engine = create_engine("postgresql+psycopg://", creator=lambda: connection, poolclass=StaticPool)
        with connection.ungated():
            engine.connect().close()
        _engines[connection] = engine
    return _engines[connection]
