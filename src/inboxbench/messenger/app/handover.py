"""A1, A2 with A3: who holds a conversation, and the line that says so, in one transaction.

Each function changes the row through `assignment` or `automatic` and writes its line only when that changed it.
"""

from __future__ import annotations

from inboxbench.database import Connection
from inboxbench.messenger.app import assignment
from inboxbench.messenger.app.activity import Activity, record
from inboxbench.messenger.app.automatic import Assignment, Policy, assign_next
from inboxbench.messenger.app.message import SYSTEM, Actor


def assigned(agent_id: int, by: Actor, *, holder_id: int | None = None) -> Activity:
    """Return the line for a new holder; holder_id: who held it before."""
    took = by.kind == "user" and by.id == agent_id
    text = "%1$s took the conversation" if took else "%1$s assigned the conversation to %2$s"
    return Activity("assigned", by, text, {"from": holder_id, "to": agent_id}, agent_id)


def unassigned(holder_id: int, by: Actor) -> Activity:
    """The line for a conversation that nobody holds any more."""
    gave = by.kind == "user" and by.id == holder_id
    text = "%1$s gave the conversation back" if gave else "%1$s took the conversation from %2$s"
    return Activity("unassigned", by, text, {"from": holder_id, "to": None}, holder_id)


def assign(connection: Connection, conversation_id: int, agent_id: int, by: Actor) -> bool:
    """Give a conversation that nobody holds to `agent_id`. False, and no line: somebody was faster."""
    changed = assignment.assign(connection, conversation_id, agent_id)
    if changed:
        record(connection, [conversation_id], assigned(agent_id, by))
    return changed


def take_next(connection: Connection, inbox_id: int, agent_id: int, by: Actor | None = None) -> int | None:
    """The oldest free conversation of an inbox goes to `agent_id`, of their own accord unless `by` says who."""
    taken = assignment.take_next(connection, inbox_id, agent_id)
    if taken is not None:
        record(connection, [taken], assigned(agent_id, by or Actor("user", agent_id)))
    return taken


def assign_automatically(
    connection: Connection, inbox_id: int, policy: Policy = "round_robin", limit: int | None = None
) -> Assignment | None:
    """The oldest free conversation goes to the member whose turn it is. None, and no line: none free, or all full."""
    made = assign_next(connection, inbox_id, policy, limit)
    if made is not None:
        record(connection, [made.conversation_id], assigned(made.agent_id, SYSTEM))
    return made


def reassign(connection: Connection, conversation_id: int, holder_id: int, agent_id: int, by: Actor) -> bool:
    """Hand over from `holder_id` to `agent_id`. False, and no line: they are one, or the holder has changed."""
    changed = holder_id != agent_id and assignment.reassign(connection, conversation_id, holder_id, agent_id)
    if changed:
        record(connection, [conversation_id], assigned(agent_id, by, holder_id=holder_id))
    return changed


def unassign(connection: Connection, conversation_id: int, holder_id: int, by: Actor) -> bool:
    """Put it back for others. False, and no line: `holder_id` does not hold it any more."""
    changed = assignment.unassign(connection, conversation_id, holder_id)
    if changed:
        record(connection, [conversation_id], unassigned(holder_id, by))
    return changed
