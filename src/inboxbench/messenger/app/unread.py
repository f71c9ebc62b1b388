"""P2.3: unread messages counted on demand: what customers wrote since any agent last looked (C6).

A conversation that nobody has opened counts from its start. Activity lines and colleagues' messages are never unread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from inboxbench.database import Connection

# For a query over conversations c. Written so that an index on (conversation_id, created_at) serves the comparison.
UNREAD = sql.SQL("""
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
""")


@dataclass(frozen=True, slots=True)
class InboxUnread:
    """What waits in an inbox: conversations with anything unread, and messages in them."""

    inbox_id: int
    conversations: int
    messages: int


_PAGE = sql.SQL("""
    SELECT c.id, ({unread}) FROM conversations c WHERE c.id = ANY (%s)
""").format(unread=UNREAD)

_AGENT = sql.SQL("""
    SELECT i.id, count(*) FILTER (WHERE u.unread > 0), coalesce(sum(u.unread), 0)::bigint
    FROM users a
    JOIN inboxes i ON i.account_id = a.account_id AND (
        a.role = 'administrator'
        OR EXISTS (SELECT FROM inbox_members b WHERE b.inbox_id = i.id AND b.user_id = a.id))
    LEFT JOIN conversations c ON c.inbox_id = i.id AND c.account_id = i.account_id AND c.status = 'open' {mine}
    LEFT JOIN LATERAL ({unread}) AS u(unread) ON true
    WHERE a.id = %(agent)s
    GROUP BY i.id ORDER BY i.id
""")
_MINE = sql.SQL("AND c.assignee_id = a.id")


def unread_of_page(connection: Connection, conversations: Sequence[int]) -> dict[int, int]:
    """Conversation → unread messages, for the conversations of one page, in one statement."""
    rows = connection.execute(_PAGE, (list(conversations),)).fetchall()
    return {int(conversation): int(unread) for conversation, unread in rows}


def unread_of_agent(connection: Connection, agent_id: int, *, mine: bool = False) -> list[InboxUnread]:
    """The badge of each inbox that the agent sees, over open conversations; mine: only those the agent holds.

    An agent sees the inboxes of which they are a member, an administrator all of the account.
    """
    query = _AGENT.format(unread=UNREAD, mine=_MINE if mine else sql.SQL(""))
    rows = connection.execute(query, {"agent": agent_id}).fetchall()
    return [InboxUnread(*map(int, row)) for row in rows]
