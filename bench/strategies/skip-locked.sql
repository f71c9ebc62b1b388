-- title: SKIP LOCKED, two statements
-- meaning: lock the next free row that nobody has locked, then UPDATE it
-- safe: yes
-- why: a locked row is passed over, so two sessions hold different rows and neither waits

--- choose
SELECT id FROM conversations
WHERE inbox_id = :inbox AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED

--- write
UPDATE conversations SET assignee_id = :session, assignee_assigned_at = now(), updated_at = now()
WHERE id = :id
