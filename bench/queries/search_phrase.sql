-- name: search_phrase
-- title: messages that hold words in this order, newest first
-- family: search
-- ids: M3 M9c
-- params: account bigint, phrase text
-- classes: phrase
-- order: ordered
--
-- An inverted index knows which messages hold both words, not in what order: every candidate is read again.

SELECT m.id, m.conversation_id, m.created_at
FROM messages m
WHERE m.account_id = :account
  AND to_tsvector('russian', m.body) @@ phraseto_tsquery('russian', :phrase)
  AND NOT m.content_attributes @> '{"deleted": true}'
ORDER BY m.created_at DESC, m.id DESC
LIMIT 15
