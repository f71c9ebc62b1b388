-- Conversations enough for a list: names and assignees that repeat, ties in the order, messages of every type,
-- conversations without any, resolved ones, and another account's.
INSERT INTO contacts (id, account_id, name) SELECT n, 1, 'Contact ' || n FROM generate_series(11, 60) n;

INSERT INTO conversations (id, account_id, inbox_id, contact_id, status, assignee_id, assignee_assigned_at, priority,
                           created_at, last_activity_at)
SELECT n, 1, 1 + n % 2, 11 + n % 50, CASE WHEN n % 7 = 0 THEN 'resolved' ELSE 'open' END,
       CASE n % 3 WHEN 0 THEN 1 WHEN 1 THEN 2 END, CASE WHEN n % 3 < 2 THEN now() END, nullif(n % 5, 4),
       timestamptz '2024-03-01' + n * interval '1 hour', timestamptz '2024-03-01' + n * interval '1 hour'
FROM generate_series(1, 120) n;
INSERT INTO conversations (id, account_id, inbox_id, contact_id, created_at, last_activity_at)
SELECT n, 2, 3, 3, '2024-04-01', '2024-04-01' FROM generate_series(201, 220) n;

-- 0 to 12 messages each; every fourth is incoming, every fifth activity; the bodies outgrow the preview.
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, private,
                      body, created_at)
SELECT c.account_id, c.inbox_id, c.id,
       CASE WHEN kind = 0 THEN 'contact' ELSE 'user' END, 1, CASE WHEN kind = 0 THEN 'incoming' ELSE 'outgoing' END,
       kind, kind = 1 AND k % 2 = 0, nullif(repeat(md5(c.id || '/' || k) || 'ж', ((c.id + k) % 9)::int), ''),
       c.created_at + k / 2 * interval '7 minutes'
FROM conversations c
CROSS JOIN LATERAL generate_series(1, c.id % 13) k
CROSS JOIN LATERAL (
    SELECT CASE WHEN (c.id + k) % 5 = 0 THEN 2 WHEN (c.id + k) % 4 = 0 THEN 0 WHEN k % 11 = 0 THEN 3 ELSE 1 END AS kind
) AS chosen;

-- Half of them tie; two in three were looked at, somewhere among their messages.
UPDATE conversations SET last_activity_at = timestamptz '2024-03-10' + id / 4 * interval '1 minute' WHERE id % 2 = 0;
UPDATE conversations SET agent_last_seen_at = created_at + id % 30 * interval '1 minute' WHERE id % 3 > 0;
