-- name: waiting_since
-- title: a customer asks again while an agent answers
-- ids: C3

--- setup
-- A question is dated when it is asked: the order of dates is the order of the guard.
CREATE TABLE race_waiting (id int PRIMARY KEY, activity int NOT NULL DEFAULT 0, waiting int);
INSERT INTO race_waiting VALUES (1);
CREATE TABLE race_said (at int NOT NULL, asks boolean NOT NULL);
CREATE SEQUENCE race_time;

--- reset
UPDATE race_waiting SET activity = 0, waiting = 0;
DELETE FROM race_said;
INSERT INTO race_said VALUES (0, true);
SELECT setval('race_time', 1, false);

--- complaints
-- A question dated after the last reply has to be waiting.
SELECT 'a customer waits and no clock says so' FROM race_waiting
WHERE waiting IS NULL AND EXISTS (
    SELECT FROM race_said WHERE asks AND at > coalesce((SELECT max(at) FROM race_said WHERE NOT asks), 0));

--- way read-then-write
-- meaning: set when NULL, clear when set
--- session 1
SELECT nextval('race_time') AS at;
INSERT INTO race_said VALUES (:at, true);
SELECT waiting IS NULL AS unset FROM race_waiting WHERE id = 1;
-- if unset
UPDATE race_waiting SET waiting = :at WHERE id = 1;
--- session 2
SELECT nextval('race_time') AS at;
INSERT INTO race_said VALUES (:at, false);
UPDATE race_waiting SET waiting = NULL WHERE id = 1 AND waiting IS NOT NULL;

--- way lock-first
-- meaning: lock the conversation before dating the message
-- safe: rc rr ser
-- mutant: read-then-write
--- session 1
SELECT FROM race_waiting WHERE id = 1 FOR NO KEY UPDATE;
SELECT nextval('race_time') AS at;
INSERT INTO race_said VALUES (:at, true);
SELECT waiting IS NULL AS unset FROM race_waiting WHERE id = 1;
-- if unset
UPDATE race_waiting SET waiting = :at WHERE id = 1;
--- session 2
SELECT FROM race_waiting WHERE id = 1 FOR NO KEY UPDATE;
SELECT nextval('race_time') AS at;
INSERT INTO race_said VALUES (:at, false);
UPDATE race_waiting SET waiting = NULL WHERE id = 1 AND waiting IS NOT NULL;

--- way write-first
-- meaning: write the conversation before dating the message
-- safe: rc rr ser
-- mutant: read-then-write
--- session 1
UPDATE race_waiting SET activity = activity + 1 WHERE id = 1;
SELECT nextval('race_time') AS at;
INSERT INTO race_said VALUES (:at, true);
SELECT waiting IS NULL AS unset FROM race_waiting WHERE id = 1;
-- if unset
UPDATE race_waiting SET waiting = :at WHERE id = 1;
--- session 2
UPDATE race_waiting SET activity = activity + 1 WHERE id = 1;
SELECT nextval('race_time') AS at;
INSERT INTO race_said VALUES (:at, false);
UPDATE race_waiting SET waiting = NULL WHERE id = 1 AND waiting IS NOT NULL;
