-- title: a message is announced to those who listen
-- unit: message
-- ids: A5

--- setup
ALTER TABLE messages DISABLE TRIGGER messages_conversation_clocks;
ALTER TABLE messages DISABLE TRIGGER messages_flood;

--- way notify
-- meaning: pg_notify in the statement that inserts
-- ours: yes
--- act
WITH m AS (
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
    VALUES (1, 1, :conversation, 'contact', 1, 'incoming', 0, :body) RETURNING *
)
SELECT pg_notify('inboxbench_account_' || m.account_id, jsonb_build_object(
    'conversation', m.conversation_id, 'message', m.id, 'inbox', m.inbox_id, 'type', m.message_type)::text) FROM m;

--- way notify-apart
-- meaning: pg_notify as a statement of its own
--- act
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
VALUES (1, 1, :conversation, 'contact', 1, 'incoming', 0, :body);
SELECT pg_notify('inboxbench_account_1', '{"message": ' || :number || '}');

--- way outbox
-- meaning: a row in a table that a worker polls
--- setup
CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id bigint NOT NULL);
--- act
WITH m AS (
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
    VALUES (1, 1, :conversation, 'contact', 1, 'incoming', 0, :body) RETURNING id
)
INSERT INTO outbox (message_id) SELECT id FROM m;

--- way none
-- meaning: nobody is notified
--- act
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
VALUES (1, 1, :conversation, 'contact', 1, 'incoming', 0, :body);
