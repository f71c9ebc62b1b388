"""A4: muting resolves a conversation and blocks its contact, with one line for both (A3).

Muted is the contact, not the conversation: what a blocked contact writes, anywhere, is stored and reopens nothing.
Both functions lock the conversation before the contact, the order in which `posting` comes to them.
"""

from __future__ import annotations

from inboxbench.database import Connection
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.message import Actor
from inboxbench.messenger.app.refusal import NoSuchConversation

_LOCK = "SELECT status, contact_id FROM conversations WHERE id = %s FOR NO KEY UPDATE"
_BLOCK = "UPDATE contacts SET blocked = %s, updated_at = now() WHERE id = %s AND blocked <> %s RETURNING id"
_RESOLVE = "UPDATE conversations SET status = 'resolved', updated_at = now() WHERE id = %s AND status <> 'resolved'"


def _lock(connection: Connection, conversation_id: int) -> tuple[str, int]:
    row = connection.execute(_LOCK, (conversation_id,)).fetchone()
    if row is None:
        raise NoSuchConversation(conversation_id)
    return row[0], row[1]


def _set_blocked(connection: Connection, contact_id: int, blocked: bool) -> bool:
    return connection.execute(_BLOCK, (blocked, contact_id, blocked)).fetchone() is not None


def mute(connection: Connection, conversation_id: int, by: Actor) -> bool:
    """Resolve and block. False, and no line: it is resolved and its contact blocked already.

    Raises NoSuchConversation.
    """
    status, contact_id = _lock(connection, conversation_id)
    blocked = _set_blocked(connection, contact_id, True)
    resolved = connection.execute(_RESOLVE, (conversation_id,)).rowcount == 1
    if not (blocked or resolved):
        return False
    facts = {"from": status, "to": "resolved"}
    record(connection, [conversation_id], Activity("muted", by, "%1$s muted the conversation", facts))
    return True


def unmute(connection: Connection, conversation_id: int, by: Actor) -> bool:
    """Unblock the contact; the status stays. False, and no line: nothing was blocked. Raises NoSuchConversation."""
    _, contact_id = _lock(connection, conversation_id)
    if not _set_blocked(connection, contact_id, False):
        return False
    record(connection, [conversation_id], Activity("unmuted", by, "%1$s unmuted the conversation"))
    return True
