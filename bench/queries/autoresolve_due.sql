-- name: autoresolve_due
-- title: open conversations idle for a week in which nobody waits
-- family: queue
-- ids: A6 C3 C7
-- params: account bigint, idle_since timestamptz
-- classes: huge median tiny
-- order: ordered
--
-- The scope `resolvable_not_waiting`, one batch, longest idle first.

SELECT c.id
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open' AND c.last_activity_at < :idle_since
  AND c.waiting_since IS NULL
ORDER BY c.last_activity_at, c.id
LIMIT 100
