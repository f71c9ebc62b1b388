-- title: newest first, for a word that only others use
-- ids: M9c
-- bad: messages_account_created_idx
-- good: messages_account_words_idx
-- floor: 20
-- most: 100
-- rows: same
-- why: How frequent a word is stands in the statistics of the whole table. Where one account never wrote it, the walk
--   back in time that suits a frequent word reads every message of the account. An index of words by account,
--   asked first, knows.

--- data
CREATE EXTENSION IF NOT EXISTS btree_gin;
CREATE TABLE messages (
    id bigint PRIMARY KEY, account_id int NOT NULL, created_at timestamptz NOT NULL, body text NOT NULL
);
INSERT INTO messages
SELECT n, n % 2, timestamptz '2026-01-01' + n * interval '1 minute',
       CASE WHEN n % 2 = 0 THEN 'спасибо ' ELSE 'заказ ' END || n || repeat(' и ещё', 10)
FROM generate_series(1, 24000) n;
CREATE INDEX messages_account_words_idx ON messages USING gin (account_id, to_tsvector('simple', body));
CREATE INDEX messages_account_created_idx ON messages (account_id, created_at DESC);

--- bad query
SELECT id FROM messages WHERE account_id = 1 AND to_tsvector('simple', body) @@ to_tsquery('simple', 'спасибо')
ORDER BY created_at DESC LIMIT 15

--- good query
WITH found AS MATERIALIZED (
    SELECT id, created_at FROM messages
    WHERE account_id = 1 AND to_tsvector('simple', body) @@ to_tsquery('simple', 'спасибо')
)
SELECT id FROM found ORDER BY created_at DESC LIMIT 15
