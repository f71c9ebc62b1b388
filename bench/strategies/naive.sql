-- title: read, then write
-- meaning: SELECT the next free row, UPDATE it
-- safe: no
-- why: between the two statements another session reads the same free row, and the later UPDATE wins silently

--- choose
SELECT id FROM conversations
WHERE inbox_id = :inbox AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1

--- write
UPDATE conversations SET assignee_id = :session, assignee_assigned_at = now(), updated_at = now()
WHERE id = :id
