-- name: list_all
-- title: inbox list, tab All: open conversations of the account, newest activity first
-- family: list
-- ids: C7 C9 P2.1a
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- What an administrator's screen asks for first. The id breaks ties, so that pages neither repeat nor skip.
-- C9 and P2.1a hold no last_activity_at: with them every open conversation is read and sorted.

SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
       c.waiting_since, c.agent_last_seen_at, c.last_activity_at
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
ORDER BY c.last_activity_at DESC, c.id DESC
LIMIT 25
