-- title: a conversation takes 200 messages a minute (here in one that has as many)
-- unit: message
-- ids: M8 P1.1

-- All in one conversation: what counting costs grows with what there is to count.

--- way trigger
-- meaning: the trigger locks the conversation and counts (its limit raised by a statement)
-- atlas: limit / lock-then-count
-- ours: yes
-- call: post_to_first
--- before
SELECT set_config('inboxbench.flood_limit', '100000', true);

--- way application
-- meaning: the application locks, counts, then inserts
-- atlas: limit / lock-then-count
-- call: post_to_first
--- setup
ALTER TABLE messages DISABLE TRIGGER messages_flood;
--- before
SELECT FROM conversations WHERE id = 1 FOR NO KEY UPDATE;
SELECT count(*) FROM messages WHERE conversation_id = 1 AND created_at >= now() - interval '1 minute';

--- way counter
-- meaning: a counter row for each conversation and minute
-- atlas: limit / counter
-- call: post_to_first
--- setup
ALTER TABLE messages DISABLE TRIGGER messages_flood;
CREATE TABLE flood (
    conversation_id bigint, minute timestamptz, n int NOT NULL, PRIMARY KEY (conversation_id, minute)
) WITH (fillfactor = 70);
--- before
INSERT INTO flood VALUES (1, date_trunc('minute', now()), 1)
ON CONFLICT (conversation_id, minute) DO UPDATE SET n = flood.n + 1 WHERE flood.n < 100000 RETURNING n;

--- way none
-- meaning: no limit
-- call: post_to_first
--- setup
ALTER TABLE messages DISABLE TRIGGER messages_flood;
