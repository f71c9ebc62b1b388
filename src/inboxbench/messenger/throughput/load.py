"""Whether a load makes sense and fits the server, asked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from inboxbench.database import connect
from inboxbench.errors import UsageError
from inboxbench.server import Server

MOST_WORKERS = 150

_ROOM = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend')
"""


def check_conditions(workers: Sequence[int], conversations: int, thinks_ms: Sequence[float], seconds: float) -> None:
    """Raises UsageError saying which of them cannot be."""
    if not workers:
        raise UsageError("workers: name at least one number of workers, such as 16")
    for count in workers:
        if not 1 <= count <= MOST_WORKERS:
            raise UsageError(f"workers: {count} is outside 1 … {MOST_WORKERS}; name a number between them")
    if conversations < 1:
        raise UsageError(f"conversations: {conversations} leaves nothing to take; name 1 or more")
    if not thinks_ms or min(thinks_ms) < 0 or seconds <= 0:
        raise UsageError("think-ms must be 0 or more and seconds above 0")


def check_room(server: Server, workers: int) -> None:
    """Raises UsageError when the server cannot take as many connections."""
    with closing(connect(server.conninfo())) as connection:
        row = connection.execute(_ROOM).fetchone()
    assert row is not None
    room = int(row[0])
    if workers >= room:
        raise UsageError(
            f"workers: {server.label} has room for {room} more connections and {workers} workers need one each, "
            "besides the referee's; name fewer, or raise max_connections"
        )
