-- title: global index on last_activity_at
-- ids: C7
-- bad: conversations_last_activity_idx
-- good: conversations_account_status_activity_idx
-- floor: 100
-- most: 60
-- rows: same
-- why: An index on last_activity_at over all accounts looks like the order the list wants; for an account that has
--   been quiet it leads through everything the others did since.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, account_id int NOT NULL, status text NOT NULL, last_activity_at timestamptz NOT NULL,
    note text NOT NULL
);
-- Account 2 went quiet: 57,000 conversations of account 1 have moved since.
INSERT INTO conversations
SELECT n, CASE WHEN n <= 3000 THEN 2 ELSE 1 END, 'open', timestamptz '2026-01-01' + n * interval '1 minute',
       repeat('x', 120)
FROM generate_series(1, 60000) n;
CREATE INDEX conversations_account_id_idx ON conversations (account_id);

--- query
SELECT id FROM conversations WHERE account_id = 2 AND status = 'open' ORDER BY last_activity_at DESC, id DESC LIMIT 25

--- bad setup
CREATE INDEX conversations_last_activity_idx ON conversations (last_activity_at);

--- good setup
CREATE INDEX conversations_account_status_activity_idx
    ON conversations (account_id, status, last_activity_at DESC, id DESC);
