-- name: flood_count
-- title: messages of a conversation within its last minute, at most 200
-- family: queue
-- ids: M8 P1.1
-- params: conversation bigint, since timestamptz
-- classes: longest longest_old typical
-- order: unordered
--
-- What the flood rule counts before every message, here for the conversation's own last minute.

SELECT count(*) AS recent
FROM (
    SELECT FROM messages m
    WHERE m.conversation_id = :conversation AND m.created_at >= :since
    LIMIT 200
) counted
