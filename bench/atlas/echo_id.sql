-- name: echo_id
-- title: a client's retry arrives beside its first send
-- ids: M1

--- setup
CREATE TABLE race_echo (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, echo_id text NOT NULL);
CREATE TABLE race_echo_once (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, echo_id text);
CREATE UNIQUE INDEX ON race_echo_once (echo_id) WHERE echo_id IS NOT NULL;

--- reset
DELETE FROM race_echo;
DELETE FROM race_echo_once;

--- complaints
WITH stored AS (SELECT id FROM race_echo UNION ALL SELECT id FROM race_echo_once)
SELECT 'stored ' || count(*) || ' times' FROM stored HAVING count(*) <> 1
UNION ALL
SELECT 'stored, and one of the sends was not answered where' WHERE (SELECT count(*) FROM stored) = 1
  AND EXISTS (SELECT FROM jsonb_array_elements(:answers) AS answer WHERE answer <> ALL (SELECT to_jsonb(id) FROM stored));

--- way look-then-insert
-- meaning: SELECT, then INSERT when absent
-- safe: ser
SELECT id AS answer FROM race_echo WHERE echo_id = 'e';
-- if none
INSERT INTO race_echo (echo_id) VALUES ('e') RETURNING id AS answer;

--- way look-then-on-conflict
-- meaning: SELECT, then INSERT … ON CONFLICT DO NOTHING: the loser gets nothing
-- safe: rr ser
SELECT id AS answer FROM race_echo_once WHERE echo_id = 'e';
-- if none
INSERT INTO race_echo_once (echo_id) VALUES ('e')
ON CONFLICT (echo_id) WHERE echo_id IS NOT NULL DO NOTHING RETURNING id AS answer;

--- way one-statement
-- meaning: insert or select in one statement: its snapshot is older than the winner
-- safe: rr ser
WITH made AS (
    INSERT INTO race_echo_once (echo_id) VALUES ('e')
    ON CONFLICT (echo_id) WHERE echo_id IS NOT NULL DO NOTHING RETURNING id
)
SELECT id AS answer FROM made UNION ALL SELECT id FROM race_echo_once WHERE echo_id = 'e' LIMIT 1;

--- way on-conflict-then-look
-- meaning: INSERT … ON CONFLICT DO NOTHING, then SELECT
-- safe: rc rr ser
-- mutant: look-then-on-conflict
INSERT INTO race_echo_once (echo_id) VALUES ('e')
ON CONFLICT (echo_id) WHERE echo_id IS NOT NULL DO NOTHING RETURNING id AS answer;
-- if none
SELECT id AS answer FROM race_echo_once WHERE echo_id = 'e';
