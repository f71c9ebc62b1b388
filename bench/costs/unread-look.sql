-- title: an agent opens a conversation: nothing is unread any more
-- unit: look
-- ids: C6

--- way on-demand
-- meaning: the time of the look is written
-- ours: yes
--- act
UPDATE conversations SET agent_last_seen_at = clock_timestamp() WHERE id = :conversation;

--- way counter
-- meaning: and the column set to 0
-- atlas: unread / mark-then-zero
--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations SET unread = 10;
--- act
UPDATE conversations SET agent_last_seen_at = clock_timestamp(), unread = 0 WHERE id = :conversation;
