-- name: list_assigned
-- title: inbox list, tab Assigned: open conversations that somebody holds, newest activity first
-- family: list
-- ids: A6 C7
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- The administrator's counterpart of Unassigned. Two of three open conversations are held, so a walk in the order of
-- the list finds its page at once: no index of its own is worth its writes.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.assignee_id IS NOT NULL
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
