-- name: search_substring
-- title: messages that contain a piece of text, newest first
-- family: search
-- ids: M3 M9b M9c
-- params: account bigint, term text
-- classes: frequent_ru frequent_en rare_ru rare_en absent elsewhere
-- order: ordered
--
-- ILIKE: a trigram index can find matches of three letters or more, in all accounts at once, in no order.
-- Deleted messages are in no result.

SELECT m.id, m.conversation_id, m.created_at
FROM messages m
WHERE m.account_id = :account AND m.body ILIKE '%' || :term || '%'
  AND NOT m.content_attributes @> '{"deleted": true}'
ORDER BY m.created_at DESC, m.id DESC
LIMIT 15
