-- title: SELECT … FOR UPDATE
-- meaning: lock the next free row while reading it, then UPDATE it
-- safe: yes
-- why: the second session waits for the lock, then reads the row again, finds it taken and moves on

--- choose
SELECT id FROM conversations
WHERE inbox_id = :inbox AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1 FOR UPDATE

--- write
UPDATE conversations SET assignee_id = :session, assignee_assigned_at = now(), updated_at = now()
WHERE id = :id
