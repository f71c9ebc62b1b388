-- name: take
-- title: two agents take the next of two conversations
-- ids: A1 P1.2

--- setup
CREATE TABLE race_queue (id int PRIMARY KEY, holder int, claims int[] NOT NULL DEFAULT '{}');
INSERT INTO race_queue VALUES (1), (2);

--- reset
UPDATE race_queue SET holder = NULL, claims = '{}';

--- complaints
SELECT 'conversation ' || id || ' went to both' FROM race_queue WHERE cardinality(claims) > 1
UNION ALL
SELECT 'both were answered the same one' FROM jsonb_array_elements(:answers) AS answer
WHERE answer <> 'null' HAVING count(*) > count(DISTINCT answer);

--- way naive
-- meaning: read the head, write it
-- safe: rr ser
SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1;
-- if some
UPDATE race_queue SET holder = :session, claims = claims || :session::int WHERE id = :id RETURNING id AS answer;

--- way for-update
-- meaning: lock the head, write it
-- safe: rc rr ser
-- mutant: naive
SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE;
-- if some
UPDATE race_queue SET holder = :session, claims = claims || :session::int WHERE id = :id RETURNING id AS answer;

--- way skip-locked
-- meaning: lock the first that is not locked
-- safe: rc rr ser
-- mutant: naive
SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;
-- if some
UPDATE race_queue SET holder = :session, claims = claims || :session::int WHERE id = :id RETURNING id AS answer;

--- way compare-and-set
-- meaning: read the head, write it if still free
-- safe: rc rr ser
-- mutant: naive
SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1;
-- if some
UPDATE race_queue SET holder = :session, claims = claims || :session::int
WHERE id = :id AND holder IS NULL RETURNING id AS answer;

--- way one-statement
-- meaning: UPDATE … WHERE id = (SELECT … LIMIT 1)
-- safe: rr ser
UPDATE race_queue SET holder = :session, claims = claims || :session::int
WHERE id = (SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1) RETURNING id AS answer;

--- way one-statement-skip-locked
-- meaning: the same, FOR UPDATE SKIP LOCKED inside
-- safe: rc rr ser
-- mutant: one-statement
UPDATE race_queue SET holder = :session, claims = claims || :session::int
WHERE id = (SELECT id FROM race_queue WHERE holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id AS answer;
