-- title: SKIP LOCKED, one statement
-- meaning: lock and UPDATE the next free row in one statement
-- safe: yes
-- why: as skip-locked, with one round trip less while the lock is held

-- A CTE and not `id = (SELECT …)`: the planner may run a subquery again for a row that changed under it.

--- take
WITH next AS MATERIALIZED (
    SELECT id FROM conversations
    WHERE inbox_id = :inbox AND status = 'open' AND assignee_id IS NULL
    ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
UPDATE conversations SET assignee_id = :session, assignee_assigned_at = now(), updated_at = now()
FROM next WHERE conversations.id = next.id RETURNING conversations.id
