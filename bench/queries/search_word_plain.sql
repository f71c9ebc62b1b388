-- name: search_word_plain
-- title: the same search as one plain statement
-- family: search
-- ids: M3 M9b M9c
-- params: account bigint, term text
-- classes: frequent_ru middle_ru uncommon_ru rare_ru
-- order: ordered
--
-- Here the planner has two ways only: walk the account's messages back in time, which is dear for a word that is
-- rare, or fetch every match from an inverted index and sort it, which is dear for one that is frequent. In between
-- both are: compare search_word, which returns the same rows. An estimate that errs decides between them.

SELECT m.id, m.conversation_id, m.created_at
FROM messages m
WHERE m.account_id = :account
  AND to_tsvector('russian', m.body) @@ websearch_to_tsquery('russian', :term)
  AND NOT m.content_attributes @> '{"deleted": true}'
ORDER BY m.created_at DESC, m.id DESC
LIMIT 15
