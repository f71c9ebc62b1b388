-- The statements of own_functions.py.

--- office
INSERT INTO accounts (id, name) VALUES (1, 'Ours');
INSERT INTO users (id, account_id, name, email) VALUES
    (1, 1, 'Ann', 'a@example.test'), (2, 1, 'Bob', 'b@example.test');
INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat');
INSERT INTO inbox_members (inbox_id, user_id) VALUES (1, 1), (1, 2);
INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Ivan');
INSERT INTO conversations (id, account_id, inbox_id, contact_id) VALUES (1, 1, 1, 1), (2, 1, 1, 1), (3, 1, 1, 1)

--- reset
DELETE FROM messages;
UPDATE conversations SET
    status = CASE id WHEN 2 THEN 'snoozed' ELSE 'open' END,
    snoozed_until = CASE id WHEN 2 THEN timestamptz '2024-01-01' END,
    assignee_id = CASE id WHEN 3 THEN 1 END,
    assignee_assigned_at = CASE id WHEN 3 THEN timestamptz '2024-01-01' END,
    waiting_since = NULL, first_reply_created_at = NULL, last_activity_at = '2024-01-01';
UPDATE conversations SET claims = '{}';
UPDATE contacts SET blocked = false

-- Resolving and reopening are two changes; whatever else these sessions do, only one of them can.
--- twice
SELECT true FROM messages
WHERE message_type = 2 AND NOT (conversation_id = 1 AND content_attributes -> 'activity' ->> 'kind' = 'status')
GROUP BY conversation_id HAVING count(*) > 1
