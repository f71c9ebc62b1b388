-- The office of the counters' lab, at head. Account 1: inbox 1 with 20 agents and 325 open conversations; 300 of them
-- with 20 messages each, of which 10 are unread; 25 that nobody has opened, with 200 unread each, the least recently
-- active. Account 2: 150
-- conversations with 4 messages each. No random figure: every build is the same.
INSERT INTO accounts (id, name) VALUES (1, 'First'), (2, 'Second');
INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat'), (2, 2, 'Mail');
INSERT INTO contacts (id, account_id, name)
SELECT n, CASE WHEN n <= 325 THEN 1 ELSE 2 END, 'Customer ' || n FROM generate_series(1, 475) n;
INSERT INTO users (id, account_id, name, email)
SELECT n, CASE WHEN n <= 20 THEN 1 ELSE 2 END, 'Agent ' || n, 'agent' || n || '@example.test'
FROM generate_series(1, 25) n;
INSERT INTO inbox_members (inbox_id, user_id) SELECT CASE WHEN n <= 20 THEN 1 ELSE 2 END, n FROM generate_series(1, 25) n;
INSERT INTO conversations (id, account_id, inbox_id, contact_id, assignee_id, created_at)
SELECT n, CASE WHEN n <= 325 THEN 1 ELSE 2 END, CASE WHEN n <= 325 THEN 1 ELSE 2 END, n,
       CASE WHEN n > 325 THEN 21 + n % 5 WHEN n % 4 > 0 THEN 1 + n / 4 % 20 END,
       timestamptz '2026-01-01' + n * interval '1 minute'
FROM generate_series(1, 475) n;

-- Twenty a minute at most, so that no rule need be asked; the clocks are set below, in one statement.
ALTER TABLE messages DISABLE TRIGGER USER;
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                      created_at)
SELECT c.account_id, c.inbox_id, c.id, CASE WHEN asks THEN 'contact' ELSE 'user' END,
       CASE WHEN asks THEN c.contact_id ELSE 1 END, CASE WHEN asks THEN 'incoming' ELSE 'outgoing' END,
       CASE WHEN asks THEN 0 ELSE 1 END, 'message ' || k || ' of the conversation', c.created_at + k * step
FROM conversations c
CROSS JOIN LATERAL generate_series(1, CASE WHEN c.id > 325 THEN 4 WHEN c.id > 300 THEN 200 ELSE 20 END) k
CROSS JOIN LATERAL (
    SELECT c.id BETWEEN 301 AND 325 OR k > 10 OR k % 2 = 1 AS asks,
           CASE WHEN c.id BETWEEN 301 AND 325 THEN interval '1 second' ELSE interval '1 hour' END AS step
) AS kind
ORDER BY k, c.id;
ALTER TABLE messages ENABLE TRIGGER USER;
UPDATE conversations c SET
    last_activity_at = m.newest,
    agent_last_seen_at = CASE WHEN c.id NOT BETWEEN 301 AND 325 THEN c.created_at + interval '10 hours' END
FROM (SELECT conversation_id, max(created_at) AS newest FROM messages GROUP BY 1) m WHERE m.conversation_id = c.id;
