-- name: assign
-- title: a conversation given to another agent
-- family: update
-- ids: A1
-- params: conversation bigint, agent bigint, other_agent bigint
-- classes: conversations
-- order: unordered
--
-- One of two agents takes over from whoever has it, so that the column really changes each time.

UPDATE conversations
SET assignee_id = CASE WHEN assignee_id IS DISTINCT FROM :agent THEN :agent ELSE :other_agent END,
    assignee_assigned_at = now(), updated_at = now()
WHERE id = :conversation
