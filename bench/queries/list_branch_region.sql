-- name: list_branch_region
-- title: inbox list filtered by branch and region
-- family: list
-- ids: C7 C10
-- params: account bigint, branch text, region text
-- classes: huge median tiny
-- order: ordered
--
-- The commonest branch and region of the account. Two columns that only this messenger has.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.branch = :branch AND c.region = :region
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
