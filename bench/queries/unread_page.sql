-- name: unread_page
-- title: unread messages of each conversation on one page of the list
-- family: unread
-- ids: C6 M9a P2.1b P2.3
-- params: conversations bigint[], seen timestamptz[]
-- classes: huge median tiny
-- order: unordered
--
-- Incoming messages since an agent last looked; a conversation nobody opened counts from its start. The list has
-- returned agent_last_seen_at of each row: it is handed over, for looking the conversations up again would cost as many
-- pages as counting.

SELECT page.id, (
    SELECT count(*)
    FROM messages m
    WHERE m.conversation_id = page.id AND m.message_type = 0
      AND m.created_at > coalesce(page.seen, '-infinity')
) AS unread
FROM unnest(:conversations, :seen) AS page (id, seen)
