-- name: lookup_display_id
-- title: a conversation by its number
-- family: lookup
-- ids: C1
-- params: account bigint, display_id int
-- classes: huge median tiny
-- order: unordered
--
-- Served by the rule that keeps the number unique: every set has it.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.display_id = :display_id
