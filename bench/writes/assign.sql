-- name: assign
-- title: a conversation given to an agent
-- family: update
-- ids: A1
-- params: conversation bigint, agent bigint
-- classes: conversations
-- order: unordered

UPDATE conversations
SET assignee_id = :agent, assignee_assigned_at = now(), updated_at = now()
WHERE id = :conversation
