"""One load at a time into one database, whoever asks for it and however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from inboxbench.database import connect
from inboxbench.errors import UsageError
from inboxbench.server import Server

# Held by a session of its own, so that it goes with the process: what a killed load left is then known as such.
_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('inboxbench load ' || %s, 0))"


@contextmanager
def turn(server: Server, name: str) -> Iterator[None]:
    """Nobody else loads into database `name` during the block. Raises UsageError when somebody does already."""
    with connect(server.conninfo()) as connection:
        row = connection.execute(_LOCK, (name,)).fetchone()
        if row is None or not row[0]:
            raise UsageError(f"{name} is being loaded by another process; wait for it, or end it first")
        yield
