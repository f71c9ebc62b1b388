-- name: list_quiet_agent
-- title: inbox list, tab Mine of the agent who holds the fewest conversations
-- family: list
-- ids: A6 C7 C9 P2.1a
-- params: account bigint, quiet_agent bigint
-- classes: huge median tiny
-- order: ordered
--
-- A list in the order of the whole account is walked to its end for such an agent: the worst case where the agent
-- does not lead the index.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.assignee_id = :quiet_agent
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
