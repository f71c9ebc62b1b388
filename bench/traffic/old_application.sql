-- The messenger's application as it was before the migrations: it knows the baseline's columns and no other. It runs on
-- while revisions are applied, which is what "online" has to survive. Parameters are of a thousand conversations, evenly
-- over the ids, so that a large account is met as often as it is large; two messages of five are an agent's.
-- draw: SELECT c.id AS conversation, c.account_id AS account, c.inbox_id AS inbox, c.contact_id AS contact, c.agent,
--              CASE WHEN n % 5 < 2 THEN 'user' ELSE 'contact' END AS sender_type,
--              CASE WHEN n % 5 < 2 THEN c.agent ELSE c.contact_id END AS sender,
--              CASE WHEN n % 5 < 2 THEN 'outgoing' ELSE 'incoming' END AS direction,
--              (ARRAY['Где мой заказ?', 'It has not arrived yet.', 'Спасибо, всё хорошо!',
--                     'Could you call me back?'])[1 + n % 4] AS body,
--              (ARRAY['order', 'заказ', 'refund', 'спасибо'])[1 + n / 4 % 4] AS word
--       FROM (SELECT min(id) AS first, max(id) AS last FROM conversations) AS ids
--       CROSS JOIN generate_series(0, 999) AS n
--       CROSS JOIN LATERAL (
--           SELECT *, (SELECT min(u.id) FROM users u WHERE u.account_id = conversations.account_id) AS agent
--           FROM conversations WHERE id >= ids.first + (ids.last - ids.first) * n / 999 ORDER BY id LIMIT 1
--       ) AS c

-- name: insert message
-- kind: write
-- weight: 40
INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body)
VALUES (:account, :inbox, :conversation, :sender_type, :sender, :direction, :body);

-- name: open conversation
-- kind: write
-- weight: 10
INSERT INTO conversations (account_id, inbox_id, contact_id) VALUES (:account, :inbox, :contact);

-- name: assign conversation
-- kind: write
-- weight: 10
UPDATE conversations SET assignee_id = :agent, assignee_assigned_at = now(), updated_at = now()
WHERE id = :conversation;

-- name: mark messages read
-- kind: write
-- weight: 5
UPDATE conversations SET assignee_last_read_at = now() WHERE id = :conversation;
UPDATE messages SET read_at = now()
WHERE conversation_id = :conversation AND direction = 'incoming' AND read_at IS NULL;

-- name: list an inbox
-- weight: 5
SELECT id, status, assignee_id, contact_id, created_at FROM conversations
WHERE inbox_id = :inbox AND status = 'open' ORDER BY created_at DESC LIMIT 25;

-- name: latest 20 messages
-- weight: 20
SELECT id, sender_type, sender_id, direction, body, read_at, created_at FROM messages
WHERE conversation_id = :conversation ORDER BY created_at DESC, id DESC LIMIT 20;

-- name: search a conversation
-- weight: 5
SELECT id, body, created_at FROM messages
WHERE conversation_id = :conversation AND body ILIKE '%' || :word || '%' ORDER BY id DESC LIMIT 20;
