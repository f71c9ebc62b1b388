"""A3: open, pending, resolved: a change of status and its one line. Snoozing has a module of its own."""

from __future__ import annotations

from typing import Literal

from inboxbench.database import Connection
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.message import Actor

Status = Literal["open", "pending", "resolved"]
AnyStatus = Literal["open", "pending", "resolved", "snoozed"]

_TEXT: dict[Status, str] = {
    "open": "%1$s opened the conversation",
    "pending": "%1$s marked the conversation as pending",
    "resolved": "%1$s resolved the conversation",
}

# The row is locked before its status is read, so `before` is what this statement really replaced.
_CHANGE = """
    WITH old AS MATERIALIZED (
        SELECT id, status FROM conversations
        WHERE id = %(id)s AND status <> %(to)s AND (%(expected)s::text IS NULL OR status = %(expected)s)
        FOR NO KEY UPDATE
    )
    UPDATE conversations c SET status = %(to)s, updated_at = now()
    FROM old WHERE c.id = old.id
    RETURNING old.status
"""


def status_changed(before: str, to: Status, by: Actor) -> Activity:
    """The line for a new status."""
    return Activity("status", by, _TEXT[to], {"from": before, "to": to})


def change_status(
    connection: Connection, conversation_id: int, to: Status, by: Actor, *, expected: AnyStatus | None = None
) -> bool:
    """Set the status. False, and no line: it is `to` already, or not `expected` any more, or there is no such row.

    Pass as `expected` what the user saw, and a stale screen cannot undo what a colleague has done meanwhile.
    """
    row = connection.execute(_CHANGE, {"id": conversation_id, "to": to, "expected": expected}).fetchone()
    if row is None:
        return False
    record(connection, [conversation_id], status_changed(row[0], to, by))
    return True
