-- name: list_unassigned
-- title: inbox list, tab Unassigned: open conversations nobody holds, newest activity first
-- family: list
-- ids: A6 C7 C9 P2.1a
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- IS NULL is an index condition but gives no order to the columns behind it: only a partial index does.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.assignee_id IS NULL
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
