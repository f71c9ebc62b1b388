-- title: compare and set
-- meaning: SELECT the next free row, UPDATE it WHERE assignee_id IS NULL
-- safe: yes
-- why: the UPDATE tests the row's latest version under its lock; the loser changes no row and retries

--- choose
SELECT id FROM conversations
WHERE inbox_id = :inbox AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1

--- write
UPDATE conversations SET assignee_id = :session, assignee_assigned_at = now(), updated_at = now()
WHERE id = :id AND assignee_id IS NULL RETURNING id
