-- title: leading column of many values left out of the query
-- ids: M9b
-- bad: messages_account_created_idx
-- good: messages_created_at_idx
-- floor: 20
-- most: 20
-- rows: same
-- why: A skip scan (18) descends once for each value of the column that is left out; where that is thousands of
--   accounts, nothing is skipped.

--- data
CREATE TABLE messages (id bigint PRIMARY KEY, account_id int NOT NULL, created_at timestamptz NOT NULL);
INSERT INTO messages SELECT n, n * 7919 % 20000, timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, 60000) n;
CREATE INDEX messages_account_created_idx ON messages (account_id, created_at);

--- bad setup
SET enable_seqscan = off;  -- to see the index read

--- query
SELECT count(*) FROM messages WHERE created_at >= timestamptz '2026-01-01' + 59900 * interval '1 minute'

--- good setup
RESET enable_seqscan;
CREATE INDEX messages_created_at_idx ON messages (created_at);
