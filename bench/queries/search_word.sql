-- name: search_word
-- title: messages that hold a word in any of its forms, newest first
-- family: search
-- ids: M3 M9b M9c
-- params: account bigint, term text, moment timestamptz
-- classes: frequent_ru frequent_en middle_ru uncommon_ru rare_ru absent elsewhere
-- order: ordered
--
-- Newest first, searched a stretch of time after the other, each five times as long as the one before; a stretch is
-- looked at only while the page is not full. The rows are those of search_word_plain. What differs is what the planner
-- may choose: within a stretch the newest-first walk ends soon, and an inverted index and an index by time can be
-- intersected before any row is read. `moment` is the application's now().
--
-- The configuration 'russian' stems Cyrillic words as Russian and Latin ones as English: one for both.
-- websearch_to_tsquery takes what a person types and never raises a syntax error. A trigram index (M9c)
-- cannot serve @@ at all. Deleted messages are in no result.

WITH day AS MATERIALIZED (
    SELECT m.id, m.conversation_id, m.created_at
    FROM messages m
    WHERE m.account_id = :account AND m.created_at > :moment - interval '2 days'
      AND to_tsvector('russian', m.body) @@ websearch_to_tsquery('russian', :term)
      AND NOT m.content_attributes @> '{"deleted": true}'
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT 15
), week AS MATERIALIZED (
    SELECT m.id, m.conversation_id, m.created_at
    FROM messages m
    WHERE (SELECT count(*) FROM day) < 15
      AND m.account_id = :account
      AND m.created_at <= :moment - interval '2 days' AND m.created_at > :moment - interval '10 days'
      AND to_tsvector('russian', m.body) @@ websearch_to_tsquery('russian', :term)
      AND NOT m.content_attributes @> '{"deleted": true}'
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT 15
), season AS MATERIALIZED (
    SELECT m.id, m.conversation_id, m.created_at
    FROM messages m
    WHERE (SELECT count(*) FROM day) + (SELECT count(*) FROM week) < 15
      AND m.account_id = :account
      AND m.created_at <= :moment - interval '10 days' AND m.created_at > :moment - interval '50 days'
      AND to_tsvector('russian', m.body) @@ websearch_to_tsquery('russian', :term)
      AND NOT m.content_attributes @> '{"deleted": true}'
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT 15
), older AS MATERIALIZED (
    SELECT m.id, m.conversation_id, m.created_at
    FROM messages m
    WHERE (SELECT count(*) FROM day) + (SELECT count(*) FROM week) + (SELECT count(*) FROM season) < 15
      AND m.account_id = :account AND m.created_at <= :moment - interval '50 days'
      AND to_tsvector('russian', m.body) @@ websearch_to_tsquery('russian', :term)
      AND NOT m.content_attributes @> '{"deleted": true}'
    ORDER BY m.created_at DESC, m.id DESC
    LIMIT 15
)
SELECT found.id, found.conversation_id, found.created_at
FROM (TABLE day UNION ALL TABLE week UNION ALL TABLE season UNION ALL TABLE older) found
ORDER BY found.created_at DESC, found.id DESC
LIMIT 15
