-- title: Cyrillic in a database with LC_CTYPE C
-- ids: M9c
-- locale: C
-- rows: different
-- why: Under C only ASCII letters are letters: lower() and ILIKE leave Cyrillic as it is, trigrams of it do not
--   exist, and a search finds nothing without an error. Nothing in the query is wrong; the database has to be made
--   anew.

--- data
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE messages (id bigint PRIMARY KEY, body text NOT NULL);
INSERT INTO messages
SELECT n, CASE WHEN n % 2000 = 0 THEN 'НАКЛАДНАЯ потеряна' ELSE 'Заказ номер ' || n || ' отправлен' END
FROM generate_series(1, 20000) n;
CREATE INDEX messages_body_trgm_idx ON messages USING gin (body gin_trgm_ops);

--- query
SELECT id FROM messages WHERE body ILIKE '%накладная%' ORDER BY id

--- truth
SELECT n FROM generate_series(2000, 20000, 2000) n ORDER BY n
