-- title: a date of the column instead of a range
-- ids: P4
-- good: conversations_account_created_idx
-- floor: 20
-- most: 40
-- rows: same
-- why: created_at::date is another expression than created_at, so the index brings the account and every row's date
--   is computed. The same day as a range is a condition on the column.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, account_id int NOT NULL, created_at timestamptz NOT NULL, note text NOT NULL
);
INSERT INTO conversations
SELECT n, n % 5, timestamptz '2026-01-01 00:00Z' + n * interval '10 minutes', repeat('x', 120)
FROM generate_series(1, 60000) n;
CREATE INDEX conversations_account_created_idx ON conversations (account_id, created_at);

--- bad query
SELECT id, note FROM conversations WHERE account_id = 1 AND created_at::date = date '2026-03-01' ORDER BY id

--- good query
SELECT id, note FROM conversations WHERE account_id = 1
    AND created_at >= timestamptz '2026-03-01 00:00Z' AND created_at < timestamptz '2026-03-02 00:00Z' ORDER BY id
