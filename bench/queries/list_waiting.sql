-- name: list_waiting
-- title: inbox list, longest waiting first
-- family: list
-- ids: A6 C3
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- Sorted by when the customer began to wait; conversations in which nobody waits come last.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
ORDER BY c.waiting_since, c.created_at, c.id
LIMIT 25
