-- title: global index on created_at, old long conversation
-- ids: P2.1b
-- bad: messages_created_at_idx
-- good: messages_conversation_created_idx
-- floor: 100
-- most: 40
-- rows: same
-- why: The longer a conversation, the sooner the planner expects to meet 20 of its messages walking back in time; an
--   old one has none there. Adding the right index is not enough, the global one has to go.

--- data
CREATE TABLE messages (
    id bigint PRIMARY KEY, conversation_id bigint NOT NULL, created_at timestamptz NOT NULL, body text NOT NULL
);
-- Conversation 1 had 5,000 messages and has been silent since; 5,000 others wrote 11 each after it.
INSERT INTO messages
SELECT n, CASE WHEN n <= 5000 THEN 1 ELSE 2 + n % 5000 END, timestamptz '2026-01-01' + n * interval '1 minute',
       repeat('x', 120)
FROM generate_series(1, 60000) n;
CREATE INDEX messages_conversation_id_idx ON messages (conversation_id);

--- query
SELECT id, body FROM messages WHERE conversation_id = 1 ORDER BY created_at DESC, id DESC LIMIT 20

--- bad setup
CREATE INDEX messages_created_at_idx ON messages (created_at);
CREATE INDEX messages_conversation_created_idx ON messages (conversation_id, created_at DESC, id DESC);

--- good setup
DROP INDEX messages_created_at_idx;
