-- name: insert_message
-- title: a customer's message, with every rule of the database firing
-- family: insert
-- ids: C3 C5 C7 M6 M8 A5
-- params: account bigint, inbox bigint, conversation bigint, contact bigint, body text
-- classes: conversations
-- order: unordered
--
-- The insert moves last_activity_at and waiting_since of its conversation: an index on either is paid for here.

INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
VALUES (:account, :inbox, :conversation, 'contact', :contact, 'incoming', 0, :body)
