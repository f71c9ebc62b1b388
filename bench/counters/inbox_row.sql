-- title: one row for each inbox, beside the column
-- family: unread
-- drift: none
-- why: The badge is one row, and every message of the inbox waits for it until the message before has committed.

--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations c SET unread = (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
);
CREATE TABLE unread_summary (
    inbox_id bigint PRIMARY KEY, unread bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO unread_summary SELECT inbox_id, sum(unread) FROM conversations GROUP BY 1;

--- after arrive
UPDATE conversations SET unread = unread + 1 WHERE id = :conversation;
UPDATE unread_summary s SET unread = s.unread + 1 FROM conversations c
WHERE c.id = :conversation AND s.inbox_id = c.inbox_id;

--- look
-- The conversation first, as a message does: in another order the two could wait for each other.
SELECT id FROM conversations WHERE id = :conversation FOR NO KEY UPDATE;
UPDATE unread_summary s SET unread = s.unread - c.unread FROM conversations c
WHERE c.id = :conversation AND s.inbox_id = c.inbox_id;
UPDATE conversations SET agent_last_seen_at = clock_timestamp(), unread = 0 WHERE id = :conversation;

--- page
SELECT id, unread FROM conversations WHERE id BETWEEN :first AND :last ORDER BY id

--- badge
SELECT sum(unread)::bigint FROM unread_summary WHERE inbox_id = :inbox

--- drift
-- Conversations whose column is wrong, and inboxes whose sum is.
SELECT (
    SELECT count(*) FROM conversations c
    WHERE c.unread <> (
        SELECT count(*) FROM messages m
        WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
          AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
    )
) + (
    SELECT count(*) FROM (SELECT inbox_id, sum(unread) AS unread FROM unread_summary GROUP BY 1) s
    WHERE s.unread <> (SELECT sum(c.unread) FROM conversations c WHERE c.inbox_id = s.inbox_id)
)
