"""A2: automatic assignment within an inbox: whose turn it is, and never over anybody's limit (P1.2).

One session at a time works on an inbox. It begins by writing to the inbox's row, and that write is the guard, twice
over: under READ COMMITTED the loads are counted by a later statement, so the count sees what the previous session
committed; under REPEATABLE READ and above the snapshot is older than the wait, and because the row was *written*
PostgreSQL refuses with 40001 instead of letting an old count pass. A lock without a write would not do the second.
The guard is FOR NO KEY UPDATE to others, so messages and conversations that refer to the inbox do not wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inboxbench.database import Connection
from inboxbench.errors import unknown
from inboxbench.messenger.app import assignment
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

Policy = Literal["round_robin", "least_loaded"]

# Times are of the clock and not of the transaction's begin, which may precede the wait for the inbox.
_GUARD = "UPDATE inboxes SET updated_at = clock_timestamp() WHERE id = %(inbox)s RETURNING id"
_ASSIGN = """
    UPDATE conversations
    SET assignee_id = %(agent)s, assignee_assigned_at = clock_timestamp(), updated_at = clock_timestamp()
    WHERE id = %(id)s AND assignee_id IS NULL RETURNING id
"""
_CANDIDATE = _SQL["candidate"]
_ORDER: dict[str, str] = {
    "round_robin": " ORDER BY held.last NULLS FIRST, member.user_id LIMIT 1",
    "least_loaded": " ORDER BY held.load, held.last NULLS FIRST, member.user_id LIMIT 1",
}


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who got what."""

    conversation_id: int
    agent_id: int


def next_agent(connection: Connection, inbox_id: int, policy: Policy, limit: int | None = None) -> int | None:
    """Whose turn it is among the inbox's members below `limit` open conversations. Right only under the guard."""
    if policy not in _ORDER:
        raise unknown("assignment policy", policy, _ORDER)
    row = connection.execute(_CANDIDATE + _ORDER[policy], {"inbox": inbox_id, "limit": limit}).fetchone()
    return None if row is None else int(row[0])


def guard(connection: Connection, inbox_id: int) -> None:
    """Wait for whoever assigns in this inbox; from here on, until the transaction ends, nobody else does."""
    connection.execute(_GUARD, {"inbox": inbox_id})


def assign_next(
    connection: Connection, inbox_id: int, policy: Policy = "round_robin", limit: int | None = None
) -> Assignment | None:
    """Give the oldest free conversation of the inbox to the agent whose turn it is.

    None: nothing is free, or every member has `limit` open conversations. People who take a conversation by hand do
    not ask for the limit; what they hold counts.
    """
    guard(connection, inbox_id)
    agent_id = next_agent(connection, inbox_id, policy, limit)
    conversation_id = assignment.lock_next_free(connection, inbox_id) if agent_id is not None else None
    if agent_id is None or conversation_id is None:
        return None
    connection.execute(_ASSIGN, {"id": conversation_id, "agent": agent_id})
    return Assignment(conversation_id, agent_id)
