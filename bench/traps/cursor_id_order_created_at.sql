-- title: cursor on id, order on created_at
-- ids: P2.1b
-- bad: messages_conversation_created_idx
-- good: messages_conversation_created_idx
-- floor: 20
-- most: 40
-- rows: different
-- why: Where history was imported, ids and times disagree: below the oldest native message's id there is nothing, so
--   the thread ends at the import, and to learn that every message of the conversation is read. The cursor has to
--   be what the order is.

--- data
CREATE TABLE messages (
    id bigint PRIMARY KEY, conversation_id bigint NOT NULL, created_at timestamptz NOT NULL, body text NOT NULL
);
-- Ids 50,001 to 60,000 arrived here; 60,001 to 80,000 were imported later and are older than those.
INSERT INTO messages
SELECT n, CASE WHEN n > 50000 THEN 1 ELSE 2 + n % 5000 END,
       timestamptz '2026-01-01' + (CASE WHEN n > 60000 THEN n - 90000 ELSE n END) * interval '1 minute',
       repeat('x', 120)
FROM generate_series(1, 80000) n;
CREATE INDEX messages_conversation_created_idx ON messages (conversation_id, created_at DESC, id DESC);

--- bad query
SELECT id FROM messages WHERE conversation_id = 1 AND id < 50001 ORDER BY created_at DESC LIMIT 20

--- good query
SELECT id FROM messages
WHERE conversation_id = 1 AND (created_at, id) < (timestamptz '2026-01-01' + 50001 * interval '1 minute', 50001)
ORDER BY created_at DESC, id DESC LIMIT 20

--- truth
SELECT id FROM (
    SELECT id, row_number() OVER (ORDER BY created_at DESC, id DESC) AS place FROM messages WHERE conversation_id = 1
) AS numbered
WHERE place BETWEEN 10001 AND 10020 ORDER BY place
