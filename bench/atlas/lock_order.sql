-- name: lock order
-- title: two sessions want the same rows
-- ids: A1 A5

--- setup
CREATE TABLE race_bulk (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO race_bulk VALUES (1), (2);
CREATE TABLE race_bulk_child (parent int NOT NULL REFERENCES race_bulk);

--- reset
DELETE FROM race_bulk_child;
UPDATE race_bulk SET n = 0;

--- complaints
SELECT 'a deadlock: one session was ended for the other' WHERE :deadlocks > 0;

--- way any-order
-- meaning: bulk updates in opposite order
--- session 1
UPDATE race_bulk SET n = n + 1 WHERE id = 1;
UPDATE race_bulk SET n = n + 1 WHERE id = 2;
--- session 2
UPDATE race_bulk SET n = n + 1 WHERE id = 2;
UPDATE race_bulk SET n = n + 1 WHERE id = 1;

--- way one-order
-- meaning: bulk updates in the order of the key
-- safe: rc rr ser
-- mutant: any-order
UPDATE race_bulk SET n = n + 1 WHERE id = 1;
UPDATE race_bulk SET n = n + 1 WHERE id = 2;

--- way child-then-lock
-- meaning: insert a message, then lock its conversation FOR UPDATE
-- The insert shares the parent's key; what follows wants more of the parent.
INSERT INTO race_bulk_child VALUES (1);
SELECT FROM race_bulk WHERE id = 1 FOR UPDATE;

--- way child-then-update
-- meaning: insert a message, then update its conversation
-- safe: rc rr ser
-- mutant: child-then-lock
INSERT INTO race_bulk_child VALUES (1);
UPDATE race_bulk SET n = n + 1 WHERE id = 1;

--- way lock-then-child
-- meaning: lock the conversation first
-- safe: rc rr ser
-- mutant: child-then-lock
SELECT FROM race_bulk WHERE id = 1 FOR UPDATE;
INSERT INTO race_bulk_child VALUES (1);
