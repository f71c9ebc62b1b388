-- title: IS NULL in the middle of an index gives no order
-- ids: P2.1a C9
-- bad: Sort
-- good: conversations_unassigned_created_idx
-- floor: 20
-- most: 40
-- rows: same
-- why: IS NULL is an index condition but no equality to the planner, so what stands behind assignee_id in the index
--   is in no known order: every unassigned conversation is read and sorted. A partial index keeps the order.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, inbox_id int NOT NULL, status text NOT NULL, assignee_id int,
    created_at timestamptz NOT NULL, note text NOT NULL
);
INSERT INTO conversations
SELECT n, n % 10, 'open', CASE WHEN n % 3 > 0 THEN n % 7 END, timestamptz '2026-01-01' + n * interval '1 minute',
       repeat('x', 120)
FROM generate_series(1, 60000) n;

--- query
SELECT id, note FROM conversations WHERE inbox_id = 1 AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at LIMIT 25

--- bad setup
CREATE INDEX conversations_inbox_status_assignee_created_idx
    ON conversations (inbox_id, status, assignee_id, created_at);

--- good setup
CREATE INDEX conversations_unassigned_created_idx ON conversations (inbox_id, status, created_at)
    WHERE assignee_id IS NULL;
