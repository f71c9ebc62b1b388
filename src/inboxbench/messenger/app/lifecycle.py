"""A3, A4, C4: the states of a conversation: open, pending, resolved, snoozed, muted.

Each change and its one activity line are written in the caller's transaction. Muting resolves the conversation and
blocks its contact; `reopen_due` opens what was snoozed, in batches that workers share (SKIP LOCKED).
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.message import SYSTEM, Actor, NoSuchConversation
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

Status = Literal["open", "pending", "resolved"]
AnyStatus = Literal["open", "pending", "resolved", "snoozed"]

_TEXT: dict[Status, str] = {
    "open": "%1$s opened the conversation",
    "pending": "%1$s marked the conversation as pending",
    "resolved": "%1$s resolved the conversation",
}


def status_changed(before: str, to: Status, by: Actor) -> Activity:
    """Return the line for a new status."""
    return Activity("status", by, _TEXT[to], {"from": before, "to": to})


def change_status(
    connection: Connection, conversation_id: int, to: Status, by: Actor, *, expected: AnyStatus | None = None
) -> bool:
    """Set the status. False, and no line: it is `to` already, or not `expected` any more, or there is no such row.

    Pass as `expected` what the user saw, and a stale screen cannot undo what a colleague has done meanwhile.
    """
    row = connection.execute(_SQL["change"], {"id": conversation_id, "to": to, "expected": expected}).fetchone()
    if row is None:
        return False
    record(connection, [conversation_id], status_changed(row[0], to, by))
    return True


BATCH = 100


def snooze(connection: Connection, conversation_id: int, until: dt.datetime | None, by: Actor) -> bool:
    """Put it away until `until`, or with None until the customer writes. False, and no line: so it is already.

    A time in the past is due at once. Raises UsageError for a time without a zone.
    """
    if until is not None and until.tzinfo is None:
        raise UsageError(f"snooze until {until}: a time without a zone is another moment on every server; give one")
    row = connection.execute(_SQL["snooze"], {"id": conversation_id, "until": until}).fetchone()
    if row is None:
        return False
    record(connection, [conversation_id], _snoozed(until, by))
    return True


def unsnooze(connection: Connection, conversation_id: int, by: Actor) -> bool:
    """Bring it back before its time. False, and no line: it is not snoozed any more."""
    return change_status(connection, conversation_id, "open", by, expected="snoozed")


def reopen_due(connection: Connection, batch: int = BATCH) -> list[int]:
    """Open at most `batch` conversations whose time has come, the longest due first; their ids.

    Any number of workers can do this at once: rows that one has in hand are skipped by the others. Commit, and call
    again until nothing comes back. A conversation snoozed until the customer writes is never due.
    """
    found = [int(row[0]) for row in connection.execute("SELECT reopen_snoozed(%s)", (batch,))]
    if found:
        record(connection, found, _due())
    return found


def _snoozed(until: dt.datetime | None, by: Actor) -> Activity:
    moment = until.astimezone(dt.UTC) if until else None
    when = f"until {moment:%Y-%m-%d %H:%M} UTC" if moment else "until the customer writes"
    return Activity("snoozed", by, f"%1$s snoozed the conversation {when}", {"until": _json(moment)})


def _due() -> Activity:
    return Activity("status", SYSTEM, "The conversation is back: its time has come", {"from": "snoozed", "to": "open"})


def _json(moment: dt.datetime | None) -> str | None:
    return moment.isoformat() if moment else None


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
