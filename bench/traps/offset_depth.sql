-- title: page by OFFSET
-- ids: C7
-- bad: conversations_account_status_activity_idx
-- good: conversations_account_status_activity_idx
-- floor: 100
-- most: 40
-- rows: same
-- why: OFFSET reads what it leaves out: the thousandth page costs a thousand pages. A cursor of the last row's order
--   columns begins where the page begins, and does not slip when rows move in between.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, account_id int NOT NULL, status text NOT NULL, last_activity_at timestamptz NOT NULL,
    note text NOT NULL
);
-- In the order of 7,919 * n: rows that follow each other in time lie apart on disk, as activity leaves them.
INSERT INTO conversations
SELECT n, 1, 'open', timestamptz '2026-01-01' + (n * 7919 % 40000) * interval '1 minute', repeat('x', 120)
FROM generate_series(1, 40000) n;
CREATE INDEX conversations_account_status_activity_idx
    ON conversations (account_id, status, last_activity_at DESC, id DESC);

--- bad setup
SET enable_seqscan = off;  -- to compare one index with itself; a scan and sort of the table is no better

--- bad query
SELECT id, note FROM conversations WHERE account_id = 1 AND status = 'open'
ORDER BY last_activity_at DESC, id DESC LIMIT 25 OFFSET 25000

--- good setup
RESET enable_seqscan;

--- good query
SELECT id, note FROM conversations
WHERE account_id = 1 AND status = 'open' AND last_activity_at < timestamptz '2026-01-01' + 15000 * interval '1 minute'
ORDER BY last_activity_at DESC, id DESC LIMIT 25
