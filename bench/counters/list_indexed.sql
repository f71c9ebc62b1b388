-- title: the indexed query, LATERAL for what a row shows
-- family: list
-- drift: none
-- why: The page is chosen by an index that holds its order, and what it shows is looked up for 25 rows: always what
--   is true now.

--- page
SELECT c.id, k.name, i.name, a.name, l.preview, u.unread
FROM (
    SELECT * FROM conversations WHERE account_id = 1 AND status = 'open'
    ORDER BY last_activity_at DESC, id DESC LIMIT 25
) AS c
JOIN contacts k ON k.id = c.contact_id
JOIN inboxes i ON i.id = c.inbox_id
LEFT JOIN users a ON a.id = c.assignee_id
LEFT JOIN LATERAL (
    SELECT left(m.body, 200) AS preview FROM messages m WHERE m.conversation_id = c.id AND m.message_type <> 2
    ORDER BY m.created_at DESC, m.id DESC LIMIT 1
) AS l ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS unread FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
) AS u
ORDER BY c.last_activity_at DESC, c.id DESC

--- rename
UPDATE users SET name = name || '.' WHERE id = 1;

--- drift
SELECT 0
