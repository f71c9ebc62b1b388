-- Account 1: 57,000 conversations; account 2: 3,000 whose customers began to wait after, and were last active before,
-- everybody else's. One long conversation of account 2 ended before the other 60,000 messages were written.

SET session_replication_role = replica;

INSERT INTO accounts (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'large'), (2, 'late');
INSERT INTO inboxes (id, account_id, name) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'one'), (2, 2, 'two');
INSERT INTO contacts (id, account_id, name) OVERRIDING SYSTEM VALUE VALUES (1, 1, 'a'), (2, 2, 'b');

INSERT INTO conversations (id, display_id, account_id, inbox_id, contact_id, status, waiting_since, created_at,
                           last_activity_at)
OVERRIDING SYSTEM VALUE
SELECT i, i, a, a, a, 'open',
       '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute',
       '2026-01-01 00:00+00'::timestamptz + i * interval '1 minute',
       '2026-06-01 00:00+00'::timestamptz - i * interval '1 minute'
FROM (SELECT i, CASE WHEN i <= 57000 THEN 1 ELSE 2 END AS a FROM generate_series(1, 60000) i) n;

INSERT INTO messages (id, account_id, inbox_id, conversation_id, sender_type, direction, body, created_at)
OVERRIDING SYSTEM VALUE
SELECT i, 2, 2, 60000, 'contact', 'incoming', 'early ' || i, '2026-01-01 00:00+00'::timestamptz + i * interval '1 s'
FROM generate_series(1, 4000) i;
INSERT INTO messages (id, account_id, inbox_id, conversation_id, sender_type, direction, body, created_at)
OVERRIDING SYSTEM VALUE
SELECT 4000 + i, 1, 1, 1 + i % 57000, 'contact', 'incoming', 'later ' || i,
       '2026-02-01 00:00+00'::timestamptz + i * interval '1 s'
FROM generate_series(1, 60000) i;

SET session_replication_role = origin;
