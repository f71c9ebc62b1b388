-- name: thread_older
-- title: the 20 messages above the ones on the screen
-- family: thread
-- ids: M9a P2.1b
-- params: conversation bigint, cursor_at timestamptz, cursor_id bigint
-- classes: longest longest_old typical short
-- order: ordered
--
-- Cursor and order are the same two columns; a cursor on id alone skips back-dated messages.

SELECT m.id, m.message_type, m.content_type, m.sender_type, m.sender_id, m.private, m.body, m.created_at
FROM messages m
WHERE m.conversation_id = :conversation AND (m.created_at, m.id) < (:cursor_at, :cursor_id)
ORDER BY m.created_at DESC, m.id DESC
LIMIT 20
