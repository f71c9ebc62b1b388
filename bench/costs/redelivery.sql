-- title: an outside message comes again
-- unit: delivery
-- ids: M1 M6

--- setup
UPDATE messages SET source_id = 'key ' || (id - (SELECT min(id) FROM messages));

--- way post
-- meaning: messenger.posting: lock, look and insert in one statement, reopen
-- atlas: source_id / on-conflict
-- ours: yes
-- call: redeliver

--- way on-conflict
-- meaning: INSERT … ON CONFLICT DO NOTHING, look when nothing came back
-- atlas: source_id / on-conflict
--- act
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                      source_id)
VALUES (1, 1, :conversation, 'contact', 1, 'incoming', 0, 'delivered', :old_key) ON CONFLICT DO NOTHING RETURNING id;
-- if none
SELECT id FROM messages WHERE inbox_id = 1 AND source_id = :old_key;

--- way unique
-- meaning: INSERT in a savepoint, catch the error of the unique index
-- atlas: source_id / unique
-- call: redeliver_and_catch

--- way advisory
-- meaning: advisory lock on the key, look, insert
-- atlas: source_id / advisory
--- act
SELECT pg_advisory_xact_lock(hashtextextended(:old_key, 1));
SELECT id FROM messages WHERE inbox_id = 1 AND source_id = :old_key;
-- if none
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                      source_id)
VALUES (1, 1, :conversation, 'contact', 1, 'incoming', 0, 'delivered', :old_key);
