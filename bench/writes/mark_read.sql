-- name: mark_read
-- title: an agent has looked at a conversation
-- family: update
-- ids: C6
-- params: conversation bigint
-- classes: conversations
-- order: unordered
--
-- Touches no column that any set indexes: the row stays on its page (HOT) where there is room.

UPDATE conversations
SET agent_last_seen_at = now()
WHERE id = :conversation
