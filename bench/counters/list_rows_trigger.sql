-- title: a list row for each conversation, kept by triggers
-- family: list
-- drift: none
-- why: A page is one index range over one table. Every message writes a second wide row and its index entries, and a
--   name that changes writes all the rows that show it.

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
CREATE INDEX list_rows_assignee_idx ON list_rows (assignee_id);
CREATE FUNCTION list_rows_refresh(conversation bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE list_rows r SET (status, last_activity_at, assignee_name, assignee_id, preview, unread) = (
        SELECT s.status, s.last_activity_at, s.assignee_name, s.assignee_id, s.preview, s.unread
        FROM list_source s WHERE s.id = conversation
    ) WHERE r.id = conversation
$$;
-- Fires for the UPDATE that moves the clocks, by when the message is there to be seen.
CREATE FUNCTION conversations_to_list() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM list_rows_refresh(NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER z_list AFTER UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION conversations_to_list();
CREATE FUNCTION users_to_list() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE list_rows SET assignee_name = NEW.name WHERE assignee_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER z_list AFTER UPDATE OF name ON users FOR EACH ROW EXECUTE FUNCTION users_to_list();

--- page
SELECT id, contact_name, inbox_name, assignee_name, preview, unread FROM list_rows
WHERE account_id = 1 AND status = 'open' ORDER BY last_activity_at DESC, id DESC LIMIT 25

--- rename
UPDATE users SET name = name || '.' WHERE id = 1;

--- drift
SELECT count(*) FROM list_rows r JOIN list_source s ON s.id = r.id WHERE to_jsonb(r) <> to_jsonb(s)
