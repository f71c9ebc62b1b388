-- name: list_created
-- title: inbox list, newest conversation first
-- family: list
-- ids: C7 P2.1a
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- By when the conversation was opened. P2.1a holds created_at, but behind the inbox and the agent.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
ORDER BY c.created_at DESC, c.id DESC
LIMIT 25
