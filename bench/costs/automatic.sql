-- title: the oldest free conversation goes to the agent with least, below a limit
-- unit: assignment
-- ids: A2 P1.2

-- The limit, 100, is far from reached: the cost is that of asking.

--- way guard-and-count
-- meaning: write the inbox's row, count loads over an index, assign
-- atlas: limit / write-then-count
-- ours: yes
-- call: assign_next

--- way counter
-- meaning: a counter for each agent
-- atlas: limit / counter
--- setup
CREATE TABLE agent_load (user_id bigint PRIMARY KEY, held int NOT NULL DEFAULT 0) WITH (fillfactor = 50);
INSERT INTO agent_load SELECT user_id FROM inbox_members WHERE inbox_id = 1;
--- act
SELECT id FROM conversations WHERE inbox_id = 1 AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
UPDATE agent_load SET held = held + 1 WHERE held < 100 AND user_id = (
    SELECT user_id FROM agent_load WHERE held < 100 ORDER BY held, user_id LIMIT 1) RETURNING user_id AS agent;
-- if some
UPDATE conversations SET assignee_id = :agent, assignee_assigned_at = now(), updated_at = now() WHERE id = :id;

--- way slots
-- meaning: a free slot by SKIP LOCKED
-- atlas: limit / slots
--- setup
CREATE TABLE slot (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL, conversation_id bigint
) WITH (fillfactor = 50);
INSERT INTO slot (user_id)
SELECT user_id FROM generate_series(1, 100) AS place, inbox_members WHERE inbox_id = 1 ORDER BY place, user_id;
CREATE INDEX slot_free_idx ON slot (id) WHERE conversation_id IS NULL;
--- act
SELECT id FROM conversations WHERE inbox_id = 1 AND status = 'open' AND assignee_id IS NULL
ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED;
WITH free AS MATERIALIZED (
    SELECT id FROM slot WHERE conversation_id IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE slot SET conversation_id = :id FROM free WHERE slot.id = free.id RETURNING user_id AS agent;
-- if some
UPDATE conversations SET assignee_id = :agent, assignee_assigned_at = now(), updated_at = now() WHERE id = :id;
