-- name: thread_latest
-- title: the newest 20 messages of a conversation
-- family: thread
-- ids: M9a P2.1b
-- params: conversation bigint
-- classes: longest longest_old typical short
-- order: ordered
--
-- What opening a conversation asks for. No condition on direction or type, so P2.1b and M9a give no order here.
-- An old, long conversation is the trap of an index on created_at alone.

SELECT m.id, m.message_type, m.content_type, m.sender_type, m.sender_id, m.private, m.body, m.created_at
FROM messages m
WHERE m.conversation_id = :conversation
ORDER BY m.created_at DESC, m.id DESC
LIMIT 20
