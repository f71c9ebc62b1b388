-- name: take_next
-- title: the conversation of an inbox that has waited longest for an agent
-- family: queue
-- ids: A1 A2 P1.2 P2.1a
-- params: inbox bigint
-- classes: huge median tiny
-- order: ordered
--
-- What assignment takes (there with FOR UPDATE SKIP LOCKED). It knows the inbox alone, not the account.

SELECT c.id
FROM conversations c
WHERE c.inbox_id = :inbox AND c.status = 'open' AND c.assignee_id IS NULL
ORDER BY c.created_at, c.id
LIMIT 1
