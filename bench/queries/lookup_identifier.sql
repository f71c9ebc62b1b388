-- name: lookup_identifier
-- title: a conversation by its key in an outside system
-- family: lookup
-- ids: C2
-- params: account bigint, identifier text
-- classes: huge
-- order: unordered
--
-- Served by the rule that keeps the key unique: every set has it.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.identifier = :identifier
