-- name: list_mine
-- title: inbox list, tab Mine: the agent's open conversations, newest activity first
-- family: list
-- ids: A6 C7 C9 P2.1a
-- params: account bigint, agent bigint
-- classes: huge median tiny
-- order: ordered
--
-- The agent is the one with the most open conversations of the account: the worst case of this tab.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.assignee_id = :agent
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
