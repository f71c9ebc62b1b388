-- A few thousand rows of the baseline, the same every time: enough for several batches, uneven on purpose.
-- 12 accounts (one owns half of everything), conversations out of id order in time, equal timestamps, messages by
-- customers, colleagues and bots, resolved and open conversations, some without any message.
INSERT INTO accounts (name) SELECT 'account ' || n FROM generate_series(1, 12) n;
INSERT INTO users (account_id, name, email)
SELECT 1 + n % 12, 'user ' || n, 'user' || n || '@example.org' FROM generate_series(1, 36) n;
INSERT INTO inboxes (account_id, name) SELECT 1 + n % 12, 'inbox ' || n FROM generate_series(0, 23) n;
INSERT INTO inbox_members (inbox_id, user_id)
SELECT i.id, u.id FROM inboxes i JOIN users u ON u.account_id = i.account_id;
INSERT INTO contacts (account_id, name, external_id)
SELECT 1 + n % 12, 'contact ' || n, CASE WHEN n % 3 = 0 THEN 'crm-' || n / 7 END FROM generate_series(0, 599) n;

INSERT INTO conversations (account_id, inbox_id, contact_id, assignee_id, status, assignee_assigned_at,
                           assignee_last_read_at, metadata, branch, region, created_at)
SELECT a.id,
       (SELECT min(id) FROM inboxes i WHERE i.account_id = a.id) + 12 * (n % 2),
       (SELECT min(id) FROM contacts c WHERE c.account_id = a.id) + 12 * (n % 40),
       CASE WHEN n % 4 > 0 THEN (SELECT max(id) FROM users u WHERE u.account_id = a.id) END,
       (ARRAY['open', 'open', 'pending', 'resolved', 'resolved'])[1 + n % 5],
       CASE WHEN n % 4 > 0 THEN timestamptz '2025-01-01' + n * interval '20 minutes' END,
       CASE WHEN n % 7 = 0 THEN timestamptz '2025-03-01' + n * interval '3 minutes' END,
       CASE n % 3 WHEN 0 THEN '{}'::jsonb
                  WHEN 1 THEN jsonb_build_object('browser', 'Firefox', 'plan', n % 5)
                  ELSE jsonb_build_object('referrer', 'https://example.org/' || n, 'os', 'Linux', 'vip', true) END,
       'branch ' || n % 6, 'region ' || n % 4,
       -- out of id order, and every tenth shares its moment with others
       timestamptz '2025-01-01' + ((n * 7919) % 3000) / 10 * 10 * interval '20 minutes'
FROM generate_series(1, 3000) n
JOIN accounts a ON a.id = CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % 12 END;

-- 0 to 11 messages each; the third speaker in eleven is a bot.
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body, read_at, created_at)
SELECT c.account_id, c.inbox_id, c.id, s.speaker,
       CASE s.speaker WHEN 'contact' THEN c.contact_id WHEN 'user' THEN coalesce(c.assignee_id, 1) END,
       CASE s.speaker WHEN 'contact' THEN 'incoming' ELSE 'outgoing' END,
       (ARRAY['Где мой заказ', 'Your order has been sent', 'Спасибо, разобрались', 'refund please'])[1 + m % 4] || ' ' || c.id,
       CASE WHEN (c.id + m) % 3 > 0 THEN c.created_at + (m + 2) * interval '3 minutes' END,
       c.created_at + m / 2 * interval '5 minutes'
FROM conversations c
CROSS JOIN LATERAL generate_series(1, (c.id % 12)::int) m
CROSS JOIN LATERAL (SELECT CASE WHEN (c.id * 31 + m * 17) % 11 < 6 THEN 'contact'
                                WHEN (c.id * 31 + m * 17) % 11 < 9 THEN 'user' ELSE 'bot' END AS speaker) s;
ANALYZE;
