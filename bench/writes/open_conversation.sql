-- name: open_conversation
-- title: a customer opens a conversation
-- family: insert
-- ids: C1 C7 K1
-- params: account bigint, inbox bigint, contact bigint
-- classes: conversations
-- order: unordered
--
-- The number is drawn and the contact's address in the inbox found by the rules. Every index that holds open
-- conversations is entered.

INSERT INTO conversations (account_id, inbox_id, contact_id, status)
VALUES (:account, :inbox, :contact, 'open')
