-- The statements of lifecycle.py.

-- The row is locked before its status is read, so `before` is what this statement really replaced.
--- change
WITH old AS MATERIALIZED (
    SELECT id, status FROM conversations
    WHERE id = %(id)s AND status <> %(to)s AND (%(expected)s::text IS NULL OR status = %(expected)s)
    FOR NO KEY UPDATE
)
UPDATE conversations c SET status = %(to)s, updated_at = now()
FROM old WHERE c.id = old.id
RETURNING old.status

--- snooze
UPDATE conversations SET status = 'snoozed', snoozed_until = %(until)s, updated_at = now()
WHERE id = %(id)s AND (status, snoozed_until) IS DISTINCT FROM ('snoozed', %(until)s::timestamptz)
RETURNING id
