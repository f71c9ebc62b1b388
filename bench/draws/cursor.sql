-- A cursor in the middle of :conversation.

SELECT created_at AS cursor_at, id AS cursor_id
FROM (
    SELECT created_at, id, row_number() OVER (ORDER BY created_at, id) AS place, count(*) OVER () AS messages
    FROM messages
    WHERE conversation_id = :conversation
) placed
WHERE place = greatest(1, messages / 2)
