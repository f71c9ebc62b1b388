-- A small office: one inbox with 20 agents, 300 conversations with 20 messages each, an hour between two of them.
INSERT INTO accounts (id, name) VALUES (1, 'Costs');
INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat');
INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Customer');
INSERT INTO contacts (id, account_id, name) SELECT 100 + n, 1, 'Customer ' || n FROM generate_series(1, 300) n;
INSERT INTO users (id, account_id, name, email)
SELECT n, 1, 'Agent ' || n, 'agent' || n || '@example.test' FROM generate_series(1, 20) n;
INSERT INTO inbox_members (inbox_id, user_id) SELECT 1, n FROM generate_series(1, 20) n;
INSERT INTO conversations (account_id, inbox_id, contact_id, created_at)
SELECT 1, 1, 100 + n, now() - interval '40 days' + n * interval '1 second' FROM generate_series(1, 300) n;
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                      created_at)
SELECT 1, 1, c.id, CASE WHEN n % 2 = 0 THEN 'user' ELSE 'contact' END,
       CASE WHEN n % 2 = 0 THEN 1 ELSE c.contact_id END,
       CASE WHEN n % 2 = 0 THEN 'outgoing' ELSE 'incoming' END, CASE WHEN n % 2 = 0 THEN 1 ELSE 0 END,
       'message number ' || n || ' of the conversation', now() - interval '30 days' + n * interval '1 hour'
FROM generate_series(1, 20) n, conversations c ORDER BY n, c.id;
