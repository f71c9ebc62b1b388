-- title: a column that the application moves in the same transaction
-- family: unread
-- drift: none
-- why: As safe as the trigger while every writer remembers it: the database adds, under the row's lock.

--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations c SET unread = (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
);

--- after arrive
UPDATE conversations SET unread = unread + 1 WHERE id = :conversation;

--- look
UPDATE conversations SET agent_last_seen_at = clock_timestamp(), unread = 0 WHERE id = :conversation;

--- page
SELECT id, unread FROM conversations WHERE id BETWEEN :first AND :last ORDER BY id

--- badge
SELECT coalesce(sum(unread), 0)::bigint FROM conversations WHERE inbox_id = :inbox AND status = 'open'

--- drift
SELECT count(*) FROM conversations c
WHERE c.unread <> (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
)
