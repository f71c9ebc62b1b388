-- A cursor in the middle of :conversation, and the last minute before its end.

SELECT created_at AS cursor_at, id AS cursor_id, ended - interval '1 minute' AS since
FROM (
    SELECT created_at, id, row_number() OVER (ORDER BY created_at, id) AS place, count(*) OVER () AS messages,
           max(created_at) OVER () AS ended
    FROM messages
    WHERE conversation_id = :conversation
) placed
WHERE place = greatest(1, messages / 2)
