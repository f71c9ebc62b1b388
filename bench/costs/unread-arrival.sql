-- title: a message arrives and is unread
-- unit: message
-- ids: C6 P2.3

--- way on-demand
-- meaning: nothing is kept
-- ours: yes
-- call: post

--- way counter
-- meaning: SET unread = unread + 1
-- atlas: unread / increment
-- call: post
--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations SET unread = 10;
--- act
UPDATE conversations SET unread = unread + 1 WHERE id = :conversation;

--- way recount
-- meaning: SET unread = (SELECT count(*) …)
-- call: post
--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations SET unread = 10;
--- act
UPDATE conversations c SET unread = (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id
AND m.message_type = 0 AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')) WHERE c.id = :conversation;
