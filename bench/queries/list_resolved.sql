-- name: list_resolved
-- title: inbox list of resolved conversations, newest activity first
-- family: list
-- ids: C7
-- params: account bigint
-- classes: huge median
-- order: ordered
--
-- Nearly all conversations of an account are resolved: an index of the open ones alone leaves this list to a sort.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'resolved'
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
