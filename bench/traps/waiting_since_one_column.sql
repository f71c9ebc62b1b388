-- title: one-column index on waiting_since
-- ids: C3
-- bad: conversations_waiting_since_idx
-- good: conversations_account_status_waiting_idx
-- floor: 100
-- most: 60
-- rows: same
-- why: The planner believes that an account's waiting customers are spread evenly over time and walks the global
--   order, through every other account's rows, until it has met 25 of its own.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, account_id int NOT NULL, status text NOT NULL, waiting_since timestamptz NOT NULL,
    created_at timestamptz NOT NULL, note text NOT NULL
);
-- Account 2 is young: its 3,000 conversations come after 57,000 of account 1.
INSERT INTO conversations
SELECT n, CASE WHEN n > 57000 THEN 2 ELSE 1 END, 'open', timestamptz '2026-01-01' + n * interval '1 minute',
       timestamptz '2026-01-01' + n * interval '1 minute', repeat('x', 120)
FROM generate_series(1, 60000) n;
CREATE INDEX conversations_account_id_idx ON conversations (account_id);

--- query
SELECT id FROM conversations WHERE account_id = 2 AND status = 'open' ORDER BY waiting_since, created_at LIMIT 25

--- bad setup
CREATE INDEX conversations_waiting_since_idx ON conversations (waiting_since);

--- good setup
CREATE INDEX conversations_account_status_waiting_idx ON conversations (account_id, status, waiting_since, created_at);
