-- title: an agent's few inboxes by IN
-- ids: P2.1a C7
-- bad: Sort
-- good: conversations_inbox_status_activity_idx
-- floor: 20
-- most: 200
-- rows: same
-- why: Each inbox has its order in the index, several together have none: all open conversations of all of them are
--   read and sorted. Asking each for its first 25 and merging those reads a page of each.

--- data
CREATE TABLE conversations (
    id bigint PRIMARY KEY, inbox_id int NOT NULL, status text NOT NULL, last_activity_at timestamptz NOT NULL,
    note text NOT NULL
);
INSERT INTO conversations
SELECT n, n % 10, 'open', timestamptz '2026-01-01' + n * interval '1 minute', repeat('x', 120)
FROM generate_series(1, 60000) n;
CREATE INDEX conversations_inbox_status_activity_idx
    ON conversations (inbox_id, status, last_activity_at DESC, id DESC);

--- bad query
SELECT id, note FROM conversations WHERE inbox_id IN (1, 2, 3) AND status = 'open'
ORDER BY last_activity_at DESC, id DESC LIMIT 25

--- good query
SELECT c.id, c.note FROM unnest(ARRAY[1, 2, 3]) AS mine (inbox_id)
CROSS JOIN LATERAL (
    SELECT id, note, last_activity_at FROM conversations
    WHERE inbox_id = mine.inbox_id AND status = 'open'
    ORDER BY last_activity_at DESC, id DESC LIMIT 25
) AS c
ORDER BY c.last_activity_at DESC, c.id DESC LIMIT 25
