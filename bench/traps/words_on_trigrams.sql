-- title: @@ beside a trigram index
-- ids: M9c
-- good: messages_body_words_idx
-- floor: 10
-- most: 60
-- rows: same
-- why: gin_trgm_ops knows LIKE and similarity, not @@: no setting makes a full-text condition use it, and the one-
--   argument form of @@ depends on a setting, so no index can hold it either.

--- data
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE messages (id bigint PRIMARY KEY, body text NOT NULL);
INSERT INTO messages
SELECT n, CASE WHEN n % 1200 = 0 THEN 'накладная потеряна' ELSE 'заказ номер ' || n || ' отправлен' END
FROM generate_series(1, 24000) n;
CREATE INDEX messages_body_trgm_idx ON messages USING gin (body gin_trgm_ops);

--- bad setup
SET default_text_search_config = 'russian';  -- without it the words would be cut as English: other rows
SET enable_seqscan = off;  -- even so

--- bad query
SELECT id FROM messages WHERE body @@ to_tsquery('russian', 'накладная') ORDER BY id

--- good setup
RESET enable_seqscan;
CREATE INDEX messages_body_words_idx ON messages USING gin (to_tsvector('russian', body));

--- good query
SELECT id FROM messages WHERE to_tsvector('russian', body) @@ to_tsquery('russian', 'накладная') ORDER BY id
