"""Who holds a conversation (A1, P1.2): one statement a function, so that what is locked when stays visible.

None of these commits: the caller ends the transaction, and should end it at once after a `False` or a `None`,
because a compare-and-set that loses keeps the row lock it waited for until then.
"""

from __future__ import annotations

from inboxbench.database import Connection

# One order for every strategy: oldest first, the key breaking ties. Anything less makes "next" ambiguous.
NEXT = """
    SELECT id FROM conversations
    WHERE inbox_id = %(inbox)s AND status = 'open' AND assignee_id IS NULL
    ORDER BY created_at, id LIMIT 1
"""
_SET = "UPDATE conversations SET assignee_id = %(agent)s, assignee_assigned_at = now(), updated_at = now()"
OVERWRITE = _SET + " WHERE id = %(id)s"
COMPARE_AND_SET = _SET + " WHERE id = %(id)s AND assignee_id IS NULL RETURNING id"
# A CTE and not `id = (SELECT …)`: the planner may run a subquery again for a row that changed under it.
TAKE_NEXT = f"""
    WITH next AS MATERIALIZED ({NEXT} FOR UPDATE SKIP LOCKED)
    {_SET} FROM next WHERE conversations.id = next.id RETURNING conversations.id
"""


def _one(connection: Connection, query: str, **parameters: int | None) -> int | None:
    row = connection.execute(query, parameters).fetchone()
    return None if row is None else int(row[0])


def peek_next(connection: Connection, inbox_id: int) -> int | None:
    """Return the oldest open conversation that nobody holds. Locks nothing, so the answer may be stale when it
    arrives."""
    return _one(connection, NEXT, inbox=inbox_id)


def lock_next(connection: Connection, inbox_id: int) -> int | None:
    """Return the same, locked. Waits for whoever holds the head row, then sees the row anew and moves on when it is
    gone."""
    return _one(connection, NEXT + " FOR UPDATE", inbox=inbox_id)


def lock_next_free(connection: Connection, inbox_id: int) -> int | None:
    """The oldest one that nobody has locked either. None means that all that are left are in somebody's hands."""
    return _one(connection, NEXT + " FOR UPDATE SKIP LOCKED", inbox=inbox_id)


def take_next(connection: Connection, inbox_id: int, agent_id: int) -> int | None:
    """Give `agent_id` the oldest free conversation in one statement: the choice for an application.

    Two sessions never wait for each other and never take the same row.
    """
    return _one(connection, TAKE_NEXT, inbox=inbox_id, agent=agent_id)


def overwrite_assignee(connection: Connection, conversation_id: int, agent_id: int) -> None:
    """Assign whatever the row says now: right only under a lock that was taken before the row was read."""
    connection.execute(OVERWRITE, {"id": conversation_id, "agent": agent_id})


def assign(connection: Connection, conversation_id: int, agent_id: int) -> bool:
    """Assign a conversation that nobody holds (compare and set). False: somebody was faster, or it is gone."""
    return _one(connection, COMPARE_AND_SET, id=conversation_id, agent=agent_id) is not None


def reassign(connection: Connection, conversation_id: int, holder_id: int, agent_id: int) -> bool:
    """Hand over from `holder_id` to `agent_id`. False: `holder_id` does not hold it any more."""
    query = _SET + " WHERE id = %(id)s AND assignee_id = %(holder)s RETURNING id"
    return _one(connection, query, id=conversation_id, holder=holder_id, agent=agent_id) is not None


def unassign(connection: Connection, conversation_id: int, holder_id: int) -> bool:
    """Put it back for others. False: `holder_id` does not hold it any more, so it is not theirs to give up."""
    query = """
        UPDATE conversations SET assignee_id = NULL, assignee_assigned_at = NULL, updated_at = now()
        WHERE id = %(id)s AND assignee_id = %(holder)s RETURNING id
    """
    return _one(connection, query, id=conversation_id, holder=holder_id) is not None
