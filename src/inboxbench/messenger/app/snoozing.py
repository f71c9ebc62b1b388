"""C4: a conversation put away until a time, and brought back when it is due; each change writes its line (A3)."""

from __future__ import annotations

import datetime as dt

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.message import SYSTEM, Actor
from inboxbench.messenger.app.status import change_status

BATCH = 100

_SNOOZE = """
    UPDATE conversations SET status = 'snoozed', snoozed_until = %(until)s, updated_at = now()
    WHERE id = %(id)s AND (status, snoozed_until) IS DISTINCT FROM ('snoozed', %(until)s::timestamptz)
    RETURNING id
"""


def snooze(connection: Connection, conversation_id: int, until: dt.datetime | None, by: Actor) -> bool:
    """Put it away until `until`, or with None until the customer writes. False, and no line: so it is already.

    A time in the past is due at once. Raises UsageError for a time without a zone.
    """
    if until is not None and until.tzinfo is None:
        raise UsageError(f"snooze until {until}: a time without a zone is another moment on every server; give one")
    row = connection.execute(_SNOOZE, {"id": conversation_id, "until": until}).fetchone()
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
