-- name: search_word
-- title: messages that hold a word in any of its forms, newest first
-- family: search
-- ids: M3 M9b M9c
-- params: account bigint, term text
-- classes: frequent_ru frequent_en rare_ru absent elsewhere
-- order: ordered
--
-- The configuration 'russian' stems Cyrillic words as Russian and Latin ones as English: one for both.
-- websearch_to_tsquery takes what a person types and never raises a syntax error. A trigram index (M9c)
-- cannot serve @@ at all. Deleted messages are in no result.

SELECT m.id, m.conversation_id, m.created_at
FROM messages m
WHERE m.account_id = :account
  AND to_tsvector('russian', m.body) @@ websearch_to_tsquery('russian', :term)
  AND NOT m.content_attributes @> '{"deleted": true}'
ORDER BY m.created_at DESC, m.id DESC
LIMIT 15
