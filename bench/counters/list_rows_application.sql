-- title: a list row for each conversation, kept by the code that posts and reads
-- family: list
-- drift: some
-- why: A message need not compute the row anew, so it costs less than by trigger. What nobody thought of, here a
--   colleague's new name, stays wrong on the list until somebody counts.

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
CREATE TABLE list_rows AS SELECT * FROM list_source;
ALTER TABLE list_rows ADD PRIMARY KEY (id);
CREATE INDEX list_rows_activity_idx ON list_rows (account_id, status, last_activity_at DESC, id DESC);

--- after arrive
UPDATE list_rows r SET
    last_activity_at = c.last_activity_at, preview = 'where is my parcel', unread = r.unread + 1
FROM conversations c WHERE c.id = :conversation AND r.id = c.id;

--- look
UPDATE conversations SET agent_last_seen_at = clock_timestamp() WHERE id = :conversation;
UPDATE list_rows SET unread = 0 WHERE id = :conversation;

--- page
SELECT id, contact_name, inbox_name, assignee_name, preview, unread FROM list_rows
WHERE account_id = 1 AND status = 'open' ORDER BY last_activity_at DESC, id DESC LIMIT 25

--- rename
UPDATE users SET name = name || '.' WHERE id = 1;

--- drift
SELECT count(*) FROM list_rows r JOIN list_source s ON s.id = r.id WHERE to_jsonb(r) <> to_jsonb(s)
