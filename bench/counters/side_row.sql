-- title: a row for each conversation in a table of its own
-- family: unread
-- drift: none
-- why: A narrow table without further indexes: every update of it is HOT, and the conversation's row and indexes stay
--   as they are.

--- setup
CREATE TABLE conversation_unread (conversation_id bigint PRIMARY KEY REFERENCES conversations, unread int NOT NULL)
    WITH (fillfactor = 50);
INSERT INTO conversation_unread
SELECT c.id, (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
)
FROM conversations c ORDER BY c.id;

--- after arrive
UPDATE conversation_unread SET unread = unread + 1 WHERE conversation_id = :conversation;

--- after look
UPDATE conversation_unread SET unread = 0 WHERE conversation_id = :conversation;

--- page
SELECT conversation_id, unread FROM conversation_unread WHERE conversation_id BETWEEN :first AND :last
ORDER BY conversation_id

--- badge
SELECT coalesce(sum(u.unread), 0)::bigint FROM conversations c JOIN conversation_unread u ON u.conversation_id = c.id
WHERE c.inbox_id = :inbox AND c.status = 'open'

--- drift
SELECT count(*) FROM conversations c JOIN conversation_unread u ON u.conversation_id = c.id
WHERE u.unread <> (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
)
