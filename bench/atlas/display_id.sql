-- name: display_id
-- title: two conversations get their number
-- ids: C1

--- setup
CREATE TABLE race_account (id int PRIMARY KEY, last int NOT NULL DEFAULT 0);
INSERT INTO race_account VALUES (1);
CREATE TABLE race_numbered (account int NOT NULL, number int NOT NULL);
CREATE TABLE race_numbered_once (account int NOT NULL, number int NOT NULL, UNIQUE (account, number));
CREATE SEQUENCE race_number;

--- reset
UPDATE race_account SET last = 0;
DELETE FROM race_numbered;
DELETE FROM race_numbered_once;
SELECT setval('race_number', 1, false);

--- complaints
SELECT 'two rows have one number' FROM (TABLE race_numbered UNION ALL TABLE race_numbered_once) AS both_tables
GROUP BY number HAVING count(*) > 1;

--- way max-plus-one
-- meaning: read the highest, insert one more
-- safe: ser
SELECT coalesce(max(number), 0) + 1 AS next FROM race_numbered WHERE account = 1;
INSERT INTO race_numbered VALUES (1, :next);

--- way max-plus-one-unique
-- meaning: the same under a unique index: an error instead
-- safe: rc rr ser
-- mutant: max-plus-one
SELECT coalesce(max(number), 0) + 1 AS next FROM race_numbered_once WHERE account = 1;
INSERT INTO race_numbered_once VALUES (1, :next);

--- way advisory
-- meaning: advisory lock, then the highest plus one
-- safe: rc ser
-- mutant: max-plus-one
SELECT pg_advisory_xact_lock(3);
SELECT coalesce(max(number), 0) + 1 AS next FROM race_numbered WHERE account = 1;
INSERT INTO race_numbered VALUES (1, :next);

--- way read-counter
-- meaning: read the account's counter, write it back
-- safe: rr ser
SELECT last + 1 AS next FROM race_account WHERE id = 1;
UPDATE race_account SET last = :next WHERE id = 1;
INSERT INTO race_numbered VALUES (1, :next);

--- way counter
-- meaning: UPDATE … SET last = last + 1 RETURNING
-- safe: rc rr ser
-- mutant: read-counter
UPDATE race_account SET last = last + 1 WHERE id = 1 RETURNING last AS next;
INSERT INTO race_numbered VALUES (1, :next);

--- way sequence
-- meaning: nextval: never twice, with gaps
-- safe: rc rr ser
-- mutant: max-plus-one
SELECT nextval('race_number') AS next;
INSERT INTO race_numbered VALUES (1, :next);
