-- name: list_agent_inboxes
-- title: inbox list of an agent who sees only a few inboxes
-- family: list
-- ids: C7 C9 P2.1a
-- params: account bigint, inboxes bigint[]
-- classes: huge median tiny
-- order: ordered
--
-- Agents see the inboxes they are members of; administrators have no such condition.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.inbox_id = ANY (:inboxes)
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
