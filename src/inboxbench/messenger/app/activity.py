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


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing done. text: for format() in SQL, %1$s the actor's name, %2$s the agent's; facts: for programs."""

    kind: str
    actor: Actor
    text: str
    facts: dict[str, Any] = field(default_factory=dict)
    agent_id: int | None = None


# Lines count for the flood limit (M8) as every message does, but have as much room again: else a customer who
# floods a conversation would keep everybody from resolving or muting it. The limit is raised before a row comes to
# the trigger, because every row comes from `raised`, and put back beside the aggregate, which waits for the last.
_RECORD = sql.SQL("""
    WITH raised AS MATERIALIZED (
        SELECT was, set_config('inboxbench.flood_limit', (2 * coalesce(nullif(was, ''), '200')::int)::text, true)
        FROM current_setting('inboxbench.flood_limit', true) AS was
    ), who AS (
        SELECT CASE %(kind)s
                   WHEN 'user' THEN (SELECT name FROM users WHERE id = %(actor)s)
                   WHEN 'contact' THEN (SELECT coalesce(nullif(name, ''), email) FROM contacts WHERE id = %(actor)s)
                   ELSE 'Automation'
               END AS actor,
               (SELECT name FROM users WHERE id = %(agent)s) AS agent
    ), m AS (
        INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction,
                              message_type, body, content_attributes, created_at)
        SELECT c.account_id, c.inbox_id, c.id, %(kind)s, %(actor)s, %(direction)s, %(activity)s,
               format(%(text)s, coalesce(who.actor, 'Somebody'), who.agent), %(attributes)s, clock_timestamp()
        FROM raised, who, conversations c
        WHERE c.id = ANY (%(conversations)s)
        ORDER BY c.id
        RETURNING *
    )
    SELECT array_agg(m.id ORDER BY m.id), count({notify}),
           set_config('inboxbench.flood_limit', coalesce((SELECT was FROM raised), ''), true)
    FROM m
""").format(notify=NOTIFY)


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
