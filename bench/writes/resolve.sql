-- name: resolve
-- title: a conversation resolved
-- family: update
-- ids: A3 C3
-- params: conversation bigint
-- classes: resolvable
-- order: unordered
--
-- Its targets are other conversations than those of the other writes, which stay open. One that is resolved is opened
-- again, so that the column really changes each time it is executed; measured is a pass that resolves.

UPDATE conversations
SET status = CASE status WHEN 'open' THEN 'resolved' ELSE 'open' END, updated_at = now()
WHERE id = :conversation
