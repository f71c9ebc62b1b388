-- name: turn
-- title: two conversations are given to two agents, one each
-- ids: A2

--- setup
CREATE TABLE race_turn (id int PRIMARY KEY, next int NOT NULL);
INSERT INTO race_turn VALUES (1, 1);
CREATE TABLE race_agent (id int PRIMARY KEY, held int NOT NULL DEFAULT 0);
INSERT INTO race_agent VALUES (1), (2);
CREATE TABLE race_given (session int NOT NULL, agent int NOT NULL);

--- reset
UPDATE race_turn SET next = 1;
UPDATE race_agent SET held = 0;
DELETE FROM race_given;

--- complaints
SELECT 'one agent got both, the other none' FROM race_given GROUP BY agent HAVING count(*) > 1;

--- way round-robin
-- meaning: read whose turn it is, write the next
-- safe: rr ser
SELECT next AS agent FROM race_turn WHERE id = 1;
UPDATE race_turn SET next = 3 - :agent WHERE id = 1;
INSERT INTO race_given VALUES (:session, :agent);

--- way round-robin-locked
-- meaning: read it FOR UPDATE
-- safe: rc rr ser
-- mutant: round-robin
SELECT next AS agent FROM race_turn WHERE id = 1 FOR UPDATE;
UPDATE race_turn SET next = 3 - :agent WHERE id = 1;
INSERT INTO race_given VALUES (:session, :agent);

--- way round-robin-one
-- meaning: UPDATE … RETURNING
-- safe: rc rr ser
-- mutant: round-robin
UPDATE race_turn SET next = 3 - next WHERE id = 1 RETURNING 3 - next AS agent;
INSERT INTO race_given VALUES (:session, :agent);

--- way least-loaded
-- meaning: read who has least, count one more
-- safe: rr ser
SELECT id AS agent FROM race_agent ORDER BY held, id LIMIT 1;
UPDATE race_agent SET held = held + 1 WHERE id = :agent;
INSERT INTO race_given VALUES (:session, :agent);

--- way least-loaded-row-lock
-- meaning: read who has least FOR UPDATE: the order is from before the wait
-- safe: rr ser
SELECT id AS agent FROM race_agent ORDER BY held, id LIMIT 1 FOR UPDATE;
UPDATE race_agent SET held = held + 1 WHERE id = :agent;
INSERT INTO race_given VALUES (:session, :agent);

--- way least-loaded-locked
-- meaning: lock the inbox, then read who has least
-- safe: rc rr ser
-- mutant: least-loaded
SELECT FROM race_turn WHERE id = 1 FOR UPDATE;
SELECT id AS agent FROM race_agent ORDER BY held, id LIMIT 1;
UPDATE race_agent SET held = held + 1 WHERE id = :agent;
INSERT INTO race_given VALUES (:session, :agent);

--- way least-counted
-- meaning: count what each has been given, give
-- safe: ser
-- Nothing that the two sessions write is the same row.
SELECT id AS agent FROM race_agent
ORDER BY (SELECT count(*) FROM race_given WHERE agent = race_agent.id), id LIMIT 1;
INSERT INTO race_given VALUES (:session, :agent);

--- way least-counted-locked
-- meaning: lock the inbox, count, give
-- safe: rc ser
-- mutant: least-counted
SELECT FROM race_turn WHERE id = 1 FOR UPDATE;
SELECT id AS agent FROM race_agent
ORDER BY (SELECT count(*) FROM race_given WHERE agent = race_agent.id), id LIMIT 1;
INSERT INTO race_given VALUES (:session, :agent);

--- way least-counted-written
-- meaning: write the inbox, count, give
-- safe: rc rr ser
-- mutant: least-counted
UPDATE race_turn SET next = next WHERE id = 1;
SELECT id AS agent FROM race_agent
ORDER BY (SELECT count(*) FROM race_given WHERE agent = race_agent.id), id LIMIT 1;
INSERT INTO race_given VALUES (:session, :agent);
