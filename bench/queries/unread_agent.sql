-- name: unread_agent
-- title: unread badge of one agent in one inbox
-- family: unread
-- ids: C6 M9a P2.1b P2.3
-- params: account bigint, inbox bigint, agent bigint
-- classes: huge median tiny
-- order: unordered
--
-- The busiest agent, in the inbox where that agent holds the most open conversations.

SELECT count(*) FILTER (WHERE u.unread > 0) AS conversations, coalesce(sum(u.unread), 0) AS messages
FROM conversations c
CROSS JOIN LATERAL (
    SELECT count(*) AS unread
    FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
) u
WHERE c.account_id = :account AND c.inbox_id = :inbox AND c.status = 'open' AND c.assignee_id = :agent
