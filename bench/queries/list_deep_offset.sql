-- name: list_deep_offset
-- title: inbox list, a page half way down, by OFFSET
-- family: list
-- ids: C7
-- params: account bigint, depth int
-- classes: huge median
-- order: ordered
--
-- OFFSET reads and throws away every row above the page; compare list_deep_keyset, which returns the same rows.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25 OFFSET :depth
