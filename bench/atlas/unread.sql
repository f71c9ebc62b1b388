-- name: unread
-- title: a message arrives while another does, or while an agent reads
-- ids: P2.3

--- setup
CREATE TABLE race_unread (id int PRIMARY KEY, unread int NOT NULL DEFAULT 0);
INSERT INTO race_unread VALUES (1);
CREATE TABLE race_arrived (session int NOT NULL, read boolean NOT NULL DEFAULT false);

--- reset
UPDATE race_unread SET unread = 0;
DELETE FROM race_arrived;

--- complaints
SELECT 'the counter says ' || unread || ', ' || counted || ' are unread'
FROM race_unread, LATERAL (SELECT count(*) AS counted FROM race_arrived WHERE NOT read) AS kept WHERE unread <> counted;

--- way read-modify-write
-- meaning: two messages: read the counter, write one more
-- safe: rr ser
INSERT INTO race_arrived VALUES (:session);
SELECT unread + 1 AS more FROM race_unread WHERE id = 1;
UPDATE race_unread SET unread = :more WHERE id = 1;

--- way increment
-- meaning: two messages: SET unread = unread + 1
-- safe: rc rr ser
-- mutant: read-modify-write
INSERT INTO race_arrived VALUES (:session);
UPDATE race_unread SET unread = unread + 1 WHERE id = 1;

--- way recount
-- meaning: two messages: SET unread = (SELECT count(*) …)
-- safe: rr ser
INSERT INTO race_arrived VALUES (:session);
UPDATE race_unread SET unread = (SELECT count(*) FROM race_arrived WHERE NOT read) WHERE id = 1;

--- way lock-then-recount
-- meaning: two messages: lock the conversation, write, count again
-- safe: rc rr ser
-- mutant: recount
SELECT FROM race_unread WHERE id = 1 FOR NO KEY UPDATE;
INSERT INTO race_arrived VALUES (:session);
UPDATE race_unread SET unread = (SELECT count(*) FROM race_arrived WHERE NOT read) WHERE id = 1;

--- way mark-then-zero
-- meaning: message and reader: mark all read, then set 0
-- safe: rr ser
--- session 1
INSERT INTO race_arrived VALUES (:session);
UPDATE race_unread SET unread = unread + 1 WHERE id = 1;
--- session 2
UPDATE race_arrived SET read = true WHERE NOT read;
UPDATE race_unread SET unread = 0 WHERE id = 1;

--- way zero-then-mark
-- meaning: message and reader: set 0 first, then mark
-- safe: rc rr ser
-- mutant: mark-then-zero
--- session 1
UPDATE race_unread SET unread = unread + 1 WHERE id = 1;
INSERT INTO race_arrived VALUES (:session);
--- session 2
UPDATE race_unread SET unread = 0 WHERE id = 1;
UPDATE race_arrived SET read = true WHERE NOT read;

--- way subtract
-- meaning: message and reader: subtract what was marked
-- safe: rc rr ser
-- mutant: mark-then-zero
--- session 1
INSERT INTO race_arrived VALUES (:session);
UPDATE race_unread SET unread = unread + 1 WHERE id = 1;
--- session 2
UPDATE race_arrived SET read = true WHERE NOT read;
UPDATE race_unread SET unread = unread - :touched WHERE id = 1;
