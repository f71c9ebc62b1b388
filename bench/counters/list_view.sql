-- title: a materialized view, refreshed when asked
-- family: list
-- drift: some
-- why: Writers pay nothing and readers one index range; the list is as old as the last refresh, which reads every
--   conversation.

--- setup
-- What a row of the list says, put together from where it comes from.
CREATE VIEW list_source AS
SELECT c.id, c.account_id, c.status, c.last_activity_at, k.name AS contact_name, i.name AS inbox_name,
       a.name AS assignee_name, c.assignee_id, l.preview, u.unread
FROM conversations c
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
) AS u;
CREATE MATERIALIZED VIEW list_rows AS SELECT * FROM list_source;
CREATE UNIQUE INDEX list_rows_pkey ON list_rows (id);
CREATE INDEX list_rows_activity_idx ON list_rows (account_id, status, last_activity_at DESC, id DESC);

--- page
SELECT id, contact_name, inbox_name, assignee_name, preview, unread FROM list_rows
WHERE account_id = 1 AND status = 'open' ORDER BY last_activity_at DESC, id DESC LIMIT 25

--- rename
UPDATE users SET name = name || '.' WHERE id = 1;

--- refresh
REFRESH MATERIALIZED VIEW CONCURRENTLY list_rows;

--- drift
SELECT count(*) FROM list_rows r JOIN list_source s ON s.id = r.id WHERE to_jsonb(r) <> to_jsonb(s)
