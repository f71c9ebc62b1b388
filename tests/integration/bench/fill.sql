-- A messenger of :conversations conversations and about six messages each, the same on every run: one large account,
-- many small ones, two languages, words by Zipf, messages in arrival order. Runs with triggers off; the last
-- statements say what the triggers would have said.

SET session_replication_role = replica;
SELECT setseed(0.42);

INSERT INTO accounts (id, name) OVERRIDING SYSTEM VALUE SELECT i, 'account ' || i FROM generate_series(1, 40) i;
INSERT INTO users (id, account_id, name, email) OVERRIDING SYSTEM VALUE
SELECT i, 1 + (i - 1) % 40, 'agent ' || i, 'agent' || i || '@example.com' FROM generate_series(1, 400) i;
INSERT INTO inboxes (id, account_id, name) OVERRIDING SYSTEM VALUE
SELECT i, 1 + (i - 1) % 40, 'inbox ' || i FROM generate_series(1, 160) i;
INSERT INTO inbox_members (inbox_id, user_id)
SELECT i.id, u.id FROM inboxes i JOIN users u USING (account_id) WHERE (u.id / 40 + i.id / 40) % 2 = 0;
INSERT INTO contacts (id, account_id, name, email) OVERRIDING SYSTEM VALUE
SELECT i, CASE WHEN i % 10 < 5 THEN 1 ELSE 1 + i % 40 END, 'contact ' || i, 'c' || i || '@example.com'
FROM generate_series(1, greatest(:conversations / 2, 100)) i;

INSERT INTO conversations (id, display_id, account_id, inbox_id, contact_id, assignee_id, status, priority, branch,
                           region, snoozed_until, created_at, last_activity_at)
OVERRIDING SYSTEM VALUE
SELECT i, row_number() OVER (PARTITION BY account ORDER BY i), account, account + 40 * (a % 4), 1 + i % 100,
       CASE WHEN b < 0.6 THEN account + 40 * floor(10 * b * b / 0.36)::int END,
       CASE WHEN c < 0.25 THEN 'open' WHEN c < 0.3 THEN 'pending' WHEN c < 0.32 THEN 'snoozed' ELSE 'resolved' END,
       nullif(a % 5, 4), 'branch ' || a % 7, 'region ' || a % 3,
       CASE WHEN c >= 0.3 AND c < 0.32 THEN '2026-11-05 00:00+00'::timestamptz END,
       '2026-01-01 00:00+00'::timestamptz + i * interval '300 days' / :conversations,
       '2026-01-01 00:00+00'::timestamptz
FROM (
    SELECT i, CASE WHEN random() < 0.5 THEN 1 ELSE 1 + floor(40 * random() * random())::int END AS account,
           floor(1000 * random())::int AS a, random() AS b, random() AS c
    FROM generate_series(1, :conversations) i
) drawn;

CREATE TEMPORARY TABLE words AS
SELECT n, (SELECT string_agg(s, '' ORDER BY k) FROM (
             SELECT k, (ARRAY['до','ста','вка','зна','ме','ло','ри','пу','ше','ко','жи','те','ня','ва','со','ну'])
                 [1 + (n / (16 ^ k)::int + 5 * k) % 16] AS s FROM generate_series(0, 2 + n % 2) k) r) AS ru,
          (SELECT string_agg(s, '' ORDER BY k) FROM (
             SELECT k, (ARRAY['de','li','ver','or','ac','co','pay','me','ti','ca','ro','pa','su','lo','ni','ta'])
                 [1 + (n / (16 ^ k)::int + 3 * k) % 16] AS s FROM generate_series(0, 2 + n % 2) k) e) AS en
FROM generate_series(1, 4000) n;
CREATE INDEX ON words (n);

INSERT INTO messages (id, account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type,
                      content_type, content_attributes, body, created_at)
OVERRIDING SYSTEM VALUE
SELECT row_number() OVER (ORDER BY created_at, conversation_id, k), account_id, inbox_id, conversation_id,
       CASE WHEN side < 0.5 THEN 'contact' ELSE 'user' END, CASE WHEN side < 0.5 THEN contact_id ELSE assignee_id END,
       CASE WHEN side < 0.5 THEN 'incoming' ELSE 'outgoing' END, CASE WHEN side < 0.5 THEN 0 ELSE 1 END,
       CASE WHEN extra < 0.01 THEN 9 ELSE 0 END,
       CASE WHEN extra > 0.99 THEN '{"deleted": true}'::jsonb ELSE '{}'::jsonb END,
       body, created_at
FROM (
    SELECT c.id AS conversation_id, c.account_id, c.inbox_id, c.contact_id, c.assignee_id, k,
           c.created_at + k * interval '7 minutes' * (1 + 20 * random()) AS created_at,
           random() AS side, random() AS extra,
           (SELECT string_agg(CASE WHEN (c.id + k) % 3 > 0 THEN ru ELSE en END, ' ' ORDER BY p)
            FROM (SELECT p, floor(4000 ^ random())::int AS n FROM generate_series(1, 12 + 0 * k) p) picked
            JOIN words USING (n)) AS body
    FROM conversations c
    CROSS JOIN LATERAL generate_series(1, CASE WHEN c.id % 997 = 5 THEN 300 ELSE 1 + (c.id * 7919 % 11)::int END) k
) drawn;
DROP TABLE words;

UPDATE conversations c
SET last_activity_at = m.last_at, agent_last_seen_at = CASE WHEN c.id % 4 > 0 THEN m.last_at - interval '1 day' END,
    waiting_since = CASE WHEN c.status = 'open' AND c.id % 3 = 0 THEN m.last_at END
FROM (SELECT conversation_id, max(created_at) AS last_at FROM messages GROUP BY 1) m
WHERE m.conversation_id = c.id;

INSERT INTO conversation_counters (account_id, last_display_id)
SELECT id, coalesce((SELECT max(display_id) FROM conversations WHERE account_id = a.id), 0) FROM accounts a
ON CONFLICT (account_id) DO UPDATE SET last_display_id = EXCLUDED.last_display_id;

SELECT setval(pg_get_serial_sequence('messages', 'id'), (SELECT max(id) FROM messages));
SELECT setval(pg_get_serial_sequence('conversations', 'id'), (SELECT max(id) FROM conversations));
SET session_replication_role = origin;
