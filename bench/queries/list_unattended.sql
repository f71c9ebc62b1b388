-- name: list_unattended
-- title: inbox list, unattended: never answered by a person, or waiting again
-- family: list
-- ids: A6 C3 C5 C7
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- The scope `unattended`. Its OR is over two columns of one row, and true for most open conversations: a filter over
-- the list in order.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
  AND (c.first_reply_created_at IS NULL OR c.waiting_since IS NOT NULL)
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
