-- name: unread_page
-- title: unread messages of each conversation on one page of the list
-- family: unread
-- ids: C6 M9a P2.1b P2.3
-- params: conversations bigint[]
-- classes: huge median tiny
-- order: unordered
--
-- Incoming messages since an agent last looked; a conversation nobody opened counts from its start.

SELECT c.id, (
    SELECT count(*)
    FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
) AS unread
FROM conversations c
WHERE c.id = ANY (:conversations)
