-- title: newest first, for a frequent word
-- ids: M9c
-- bad: messages_body_words_idx
-- good: messages_account_created_idx
-- floor: 50
-- most: 100
-- rows: same
-- why: A GIN index knows who holds a word but no order: every match is fetched, checked for its account and sorted to
--   show 15. A frequent word is met soon enough by walking back in time. (A rare one is not: both indexes are
--   needed.)

--- data
CREATE TABLE messages (
    id bigint PRIMARY KEY, account_id int NOT NULL, created_at timestamptz NOT NULL, body text NOT NULL
);
INSERT INTO messages
SELECT n, n % 5, timestamptz '2026-01-01' + n * interval '1 minute',
       CASE WHEN n % 3 = 0 THEN 'спасибо ' ELSE 'заказ ' END || n || repeat(' и ещё', 10)
FROM generate_series(1, 24000) n;
CREATE INDEX messages_body_words_idx ON messages USING gin (to_tsvector('simple', body));

--- bad setup
SET enable_seqscan = off;  -- reading the table instead is worse still

--- query
SELECT id FROM messages WHERE account_id = 1 AND to_tsvector('simple', body) @@ to_tsquery('simple', 'спасибо')
ORDER BY created_at DESC LIMIT 15

--- good setup
RESET enable_seqscan;
CREATE INDEX messages_account_created_idx ON messages (account_id, created_at DESC);
