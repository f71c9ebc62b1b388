-- title: pattern of two letters on a trigram index
-- ids: M9c
-- bad: messages_body_trgm_idx
-- good: messages_account_created_idx
-- floor: 50
-- most: 60
-- rows: same
-- why: Two letters inside a word make no trigram: the index has nothing to look up, reads all of itself and checks
--   every row of the table. Short patterns are frequent ones, so walking back in time soon has a page of them.

--- data
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE messages (
    id bigint PRIMARY KEY, account_id int NOT NULL, created_at timestamptz NOT NULL, body text NOT NULL
);
INSERT INTO messages
SELECT n, n % 5, timestamptz '2026-01-01' + n * interval '1 minute',
       CASE n % 3 WHEN 0 THEN 'добрый день, номер ' ELSE 'посылка ещё в пути, заказ ' END || n
FROM generate_series(1, 24000) n;
CREATE INDEX messages_body_trgm_idx ON messages USING gin (body gin_trgm_ops);

--- bad setup
SET enable_seqscan = off;  -- to see the index read

--- query
SELECT id FROM messages WHERE account_id = 1 AND body ILIKE '%ый%' ORDER BY created_at DESC LIMIT 25

--- good setup
RESET enable_seqscan;
CREATE INDEX messages_account_created_idx ON messages (account_id, created_at DESC);
