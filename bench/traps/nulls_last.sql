-- title: DESC NULLS LAST on an index that is DESC
-- ids: C9
-- bad: Sort
-- good: conversations_account_priority_last_idx
-- floor: 20
-- most: 60
-- rows: same
-- why: In a descending index NULLs come first, so ORDER BY priority DESC NULLS LAST is another order: everything is
--   read and sorted. The index has to say NULLS LAST as well.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, account_id int NOT NULL, status text NOT NULL, priority smallint,
    last_activity_at timestamptz NOT NULL, note text NOT NULL
);
INSERT INTO conversations
SELECT n, n % 5, 'open', CASE WHEN n % 3 = 0 THEN n % 4 END, timestamptz '2026-01-01' + n * interval '1 minute',
       repeat('x', 120)
FROM generate_series(1, 60000) n;

--- query
SELECT id, note FROM conversations WHERE account_id = 1 AND status = 'open'
ORDER BY priority DESC NULLS LAST, last_activity_at DESC LIMIT 25

--- bad setup
CREATE INDEX conversations_account_priority_idx
    ON conversations (account_id, status, priority DESC, last_activity_at DESC);

--- good setup
CREATE INDEX conversations_account_priority_last_idx
    ON conversations (account_id, status, priority DESC NULLS LAST, last_activity_at DESC);
