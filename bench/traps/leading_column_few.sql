-- title: leading column of few values left out of the query
-- ids: C9
-- bad: conversations_status_created_idx
-- good: conversations_status_created_idx
-- floor: 5
-- most: 60
-- rows: same
-- mended: 18
-- why: Without a condition on its first column a B-tree is read from end to end, until PostgreSQL 18: a skip scan
--   descends once for each value (Index Searches). Before, naming all the values does the same.

--- data
CREATE TABLE conversations (id bigint PRIMARY KEY, status text NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO conversations
SELECT n, (ARRAY['open', 'pending', 'resolved', 'snoozed'])[1 + n % 4],
       timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, 60000) n;
CREATE INDEX conversations_status_created_idx ON conversations (status, created_at);

--- bad setup
SET enable_seqscan = off;  -- before 18 the whole table would be read instead, which is no less

--- bad query
SELECT count(*) FROM conversations WHERE created_at >= timestamptz '2026-01-01' + 59900 * interval '1 minute'

--- good query
SELECT count(*) FROM conversations WHERE created_at >= timestamptz '2026-01-01' + 59900 * interval '1 minute'
    AND status IN ('open', 'pending', 'resolved', 'snoozed')
