-- The statements of page.py.

-- For a query over conversations c. Written so that an index on (conversation_id, created_at) serves the comparison.
--- unread
SELECT count(*) FROM messages m
WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
  AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')

--- unread of page
SELECT c.id, ({unread}) FROM conversations c WHERE c.id = ANY (%s)

--- agent
SELECT i.id, count(*) FILTER (WHERE u.unread > 0), coalesce(sum(u.unread), 0)::bigint
FROM users a
JOIN inboxes i ON i.account_id = a.account_id AND (
    a.role = 'administrator'
    OR EXISTS (SELECT FROM inbox_members b WHERE b.inbox_id = i.id AND b.user_id = a.id))
LEFT JOIN conversations c ON c.inbox_id = i.id AND c.account_id = i.account_id AND c.status = 'open' {mine}
LEFT JOIN LATERAL ({unread}) AS u(unread) ON true
WHERE a.id = %(agent)s
GROUP BY i.id ORDER BY i.id

--- page
WITH page AS MATERIALIZED (
    SELECT c.id, c.account_id, c.display_id, c.status, c.priority, c.last_activity_at, c.waiting_since,
           c.contact_id, c.inbox_id, c.assignee_id, c.agent_last_seen_at
    FROM conversations c
    WHERE {conditions}
    ORDER BY c.last_activity_at DESC, c.id DESC
    LIMIT %(size)s
)
SELECT c.id AS conversation_id, c.display_id, c.status, c.priority, c.last_activity_at, c.waiting_since,
       k.name AS contact_name, i.name AS inbox_name, a.name AS assignee_name, u.unread, l.*
FROM page c
JOIN contacts k ON k.id = c.contact_id
JOIN inboxes i ON i.id = c.inbox_id
LEFT JOIN users a ON a.id = c.assignee_id
LEFT JOIN LATERAL (
    SELECT m.id AS last_id, m.message_type AS last_type, m.created_at AS last_at,
           left(m.body, %(preview)s) AS last_preview
    FROM messages m
    WHERE m.conversation_id = c.id AND m.message_type <> 2
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT 1
) AS l ON true
CROSS JOIN LATERAL ({unread}) AS u(unread)
ORDER BY c.last_activity_at DESC, c.id DESC
