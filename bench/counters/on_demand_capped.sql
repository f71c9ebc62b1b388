-- title: counted when asked for, up to 10 ("9+")
-- family: unread
-- drift: none
-- cap: 10
-- why: The badge says 9+ anyway: counting stops there, so a conversation that nobody opens costs no more than any
--   other.

--- page
SELECT c.id, (
    SELECT count(*) FROM (
        SELECT FROM messages m
        WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
          AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
        LIMIT 10
    ) AS capped
)
FROM conversations c WHERE c.id BETWEEN :first AND :last ORDER BY c.id

--- badge
SELECT coalesce(sum(u.unread), 0)::bigint FROM conversations c
CROSS JOIN LATERAL (
    SELECT count(*) AS unread FROM (
        SELECT FROM messages m
        WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
          AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
        LIMIT 10
    ) AS capped
) AS u
WHERE c.inbox_id = :inbox AND c.status = 'open'
