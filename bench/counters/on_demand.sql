-- title: counted when asked for
-- family: unread
-- drift: none
-- why: Nothing is kept and nothing can be wrong; a page costs an index range for each conversation, as long as what
--   is unread.

--- arrive
-- The lock first, and the time under it: a message is never older than the look that it waited for.
SELECT id FROM conversations WHERE id = :conversation FOR NO KEY UPDATE;
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                      created_at)
SELECT account_id, inbox_id, id, 'contact', contact_id, 'incoming', 0, 'where is my parcel', clock_timestamp()
FROM conversations WHERE id = :conversation;

--- look
UPDATE conversations SET agent_last_seen_at = clock_timestamp() WHERE id = :conversation;

--- page
SELECT c.id, (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
)
FROM conversations c WHERE c.id BETWEEN :first AND :last ORDER BY c.id

--- badge
SELECT coalesce(sum(u.unread), 0)::bigint FROM conversations c
CROSS JOIN LATERAL (
    SELECT count(*) AS unread FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
) AS u
WHERE c.inbox_id = :inbox AND c.status = 'open'

--- drift
SELECT 0
