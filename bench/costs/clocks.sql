-- title: a message moves last_activity_at, waiting_since and first_reply_created_at
-- unit: message
-- ids: C3 C5 C7 A5

--- way trigger
-- meaning: one UPDATE by the messages' trigger
-- atlas: last_activity_at / greatest
-- ours: yes
-- call: post

--- way application
-- meaning: the same UPDATE, sent by the application
-- atlas: last_activity_at / greatest
-- call: post_and_move_clocks
--- setup
ALTER TABLE messages DISABLE TRIGGER messages_conversation_clocks;

--- way recount
-- meaning: computed from the conversation's messages each time
-- atlas: last_activity_at / recompute
-- call: post
--- setup
ALTER TABLE messages DISABLE TRIGGER messages_conversation_clocks;
--- act
UPDATE conversations c SET
    last_activity_at = (SELECT max(m.created_at) FROM messages m WHERE m.conversation_id = c.id),
    first_reply_created_at = (SELECT min(m.created_at) FROM messages m
        WHERE m.conversation_id = c.id AND m.message_type = 1 AND m.sender_type = 'user' AND NOT m.private),
    waiting_since = (SELECT min(m.created_at) FROM messages m
        WHERE m.conversation_id = c.id AND m.message_type = 0 AND m.created_at > coalesce((
            SELECT max(r.created_at) FROM messages r WHERE r.conversation_id = c.id AND r.message_type = 1
              AND NOT r.private), '-infinity'))
WHERE c.id = :conversation;

--- way none
-- meaning: no clocks at all: what the message alone costs
-- call: post
--- setup
ALTER TABLE messages DISABLE TRIGGER messages_conversation_clocks;
