-- name: list_deep_keyset
-- title: inbox list, the same deep page, from a cursor
-- family: list
-- ids: C7
-- params: account bigint, cursor_at timestamptz, cursor_id bigint
-- classes: huge median
-- order: ordered
--
-- The cursor is the last row of the page above: depth costs nothing where an index holds the whole order.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
  AND (c.last_activity_at, c.id) < (:cursor_at, :cursor_id)
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
