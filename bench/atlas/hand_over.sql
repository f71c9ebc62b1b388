-- name: hand over
-- title: a conversation is given back and reassigned at once
-- ids: A1

--- setup
-- Agents 10 and 20, 0 is nobody. Each change appends the version that its author had seen; the n-th must have seen n.
CREATE TABLE race_held (id int PRIMARY KEY, holder int NOT NULL, version int NOT NULL, seen int[] NOT NULL);
INSERT INTO race_held VALUES (1, 10, 0, '{}');

--- reset
UPDATE race_held SET holder = 10, version = 0, seen = '{}';

--- complaints
SELECT 'change ' || place || ' was made on the strength of version ' || change.version
FROM race_held, unnest(seen) WITH ORDINALITY AS change (version, place)
WHERE change.version <> place - 1 ORDER BY place LIMIT 1;

--- way last-write-wins
-- meaning: read, decide, write
-- safe: rr ser
--- session 1
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 0, version = version + 1, seen = seen || :was::int WHERE id = 1;
--- session 2
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 20, version = version + 1, seen = seen || :was::int WHERE id = 1;

--- way for-update
-- meaning: read FOR UPDATE, decide, write
-- safe: rc rr ser
-- mutant: last-write-wins
--- session 1
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1 FOR UPDATE;
-- if mine
UPDATE race_held SET holder = 0, version = version + 1, seen = seen || :was::int WHERE id = 1;
--- session 2
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1 FOR UPDATE;
-- if mine
UPDATE race_held SET holder = 20, version = version + 1, seen = seen || :was::int WHERE id = 1;

--- way same-holder
-- meaning: UPDATE … WHERE holder is the one seen
-- safe: rc rr ser
-- mutant: last-write-wins
--- session 1
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 0, version = version + 1, seen = seen || :was::int WHERE id = 1 AND holder = 10;
--- session 2
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 20, version = version + 1, seen = seen || :was::int WHERE id = 1 AND holder = 10;

--- way same-holder-aba
-- meaning: the same, and it goes away and returns
-- safe: rr ser
-- preemptions: 2
--- session 1
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 0, version = version + 1, seen = seen || :was::int WHERE id = 1 AND holder = 10;
--- session 2
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 20, version = version + 1, seen = seen || :was::int WHERE id = 1 AND holder = 10;
--- session 3
SELECT holder = 20 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 10, version = version + 1, seen = seen || :was::int WHERE id = 1 AND holder = 20;

--- way same-version-aba
-- meaning: UPDATE … WHERE version is the one seen, and it returns
-- safe: rc rr ser
-- mutant: same-holder-aba
-- preemptions: 2
--- session 1
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 0, version = version + 1, seen = seen || :was::int WHERE id = 1 AND version = :was;
--- session 2
SELECT holder = 10 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 20, version = version + 1, seen = seen || :was::int WHERE id = 1 AND version = :was;
--- session 3
SELECT holder = 20 AS mine, version AS was FROM race_held WHERE id = 1;
-- if mine
UPDATE race_held SET holder = 10, version = version + 1, seen = seen || :was::int WHERE id = 1 AND version = :was;
