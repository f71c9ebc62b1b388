"""A3: what is done to a conversation stands in it as one line, written by the transaction that does it.

Call `record` only after a compare-and-set has changed the row: its lock is then held until the transaction ends, so
of two sessions that make the same change one writes the line and the other, which changed nothing, writes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from inboxbench.database import Connection
from inboxbench.messenger.app.message import NOTIFY, Actor, MessageType, refusals
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing done. text: for format() in SQL, %1$s the actor's name, %2$s the agent's; facts: for programs."""

    kind: str
    actor: Actor
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    agent_id: int | None = None


_RECORD = sql.SQL(_SQL["record"]).format(notify=NOTIFY)


def record(connection: Connection, conversations: Sequence[int], activity: Activity) -> list[int]:
    """Write the line into each of `conversations` and announce it; the new messages' ids.

    Raises TooManyMessages when a conversation has had twice its limit: something assigns or resolves it in a loop.
    """
    parameters = {
        "kind": activity.actor.kind,
        "actor": activity.actor.id,
        "agent": activity.agent_id,
        "direction": "incoming" if activity.actor.kind == "contact" else "outgoing",
        "activity": MessageType.ACTIVITY,
        "text": activity.text,
        "attributes": Jsonb({"activity": {"kind": activity.kind, **activity.facts}}),
        "conversations": list(conversations),
    }
    with refusals(conversations[0]):
        row = connection.execute(_RECORD, parameters).fetchone()
    assert row is not None  # an aggregate
    return row[0] or []
