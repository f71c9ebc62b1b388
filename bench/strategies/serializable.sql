-- title: SERIALIZABLE with retry
-- meaning: the naive code at ISOLATION LEVEL SERIALIZABLE, run again after error 40001
-- safe: yes
-- why: the second UPDATE of a row read before the first one's commit is refused; the session must try again
-- isolation: serializable

--- choose
SELECT id FROM conversations
WHERE inbox_id = :inbox AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1

--- write
UPDATE conversations SET assignee_id = :session, assignee_assigned_at = now(), updated_at = now()
WHERE id = :id
