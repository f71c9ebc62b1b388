-- name: snoozed_due
-- title: snoozed conversations whose time has come
-- family: queue
-- ids: C4
-- params: moment timestamptz
-- classes: anywhere
-- order: ordered
--
-- One batch of `reopen_snoozed`, over all accounts, asked in the middle of what is put away.

SELECT c.id
FROM conversations c
WHERE c.status = 'snoozed' AND c.snoozed_until <= :moment
ORDER BY c.snoozed_until, c.id
LIMIT 100
