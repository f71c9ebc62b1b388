-- name: limit
-- title: two writers where one more is allowed
-- ids: A2 M8 P1.1 P1.2

--- setup
-- One agent who may hold one conversation, or one conversation that may get one message: the same shape.
CREATE TABLE race_owner (id int PRIMARY KEY, held int NOT NULL DEFAULT 0, touched int NOT NULL DEFAULT 0);
INSERT INTO race_owner VALUES (1);
CREATE TABLE race_item (owner int NOT NULL REFERENCES race_owner, session int NOT NULL);
CREATE TABLE race_slot (owner int NOT NULL, slot int NOT NULL, session int, PRIMARY KEY (owner, slot));
INSERT INTO race_slot VALUES (1, 1);

--- reset
DELETE FROM race_item;
UPDATE race_owner SET held = 0, touched = 0;
UPDATE race_slot SET session = NULL;

--- complaints
SELECT count(*) || ' where 1 is allowed' FROM race_item HAVING count(*) > 1;

--- way count
-- meaning: count, then insert
-- safe: ser
SELECT count(*) < 1 AS room FROM race_item WHERE owner = 1;
-- if room
INSERT INTO race_item VALUES (1, :session);

--- way conditional-insert
-- meaning: INSERT … WHERE (SELECT count) < limit
-- safe: ser
INSERT INTO race_item SELECT 1, :session WHERE (SELECT count(*) FROM race_item WHERE owner = 1) < 1;

--- way lock-then-count
-- meaning: lock the owner, count, insert
-- safe: rc ser
-- mutant: count
SELECT FROM race_owner WHERE id = 1 FOR NO KEY UPDATE;
SELECT count(*) < 1 AS room FROM race_item WHERE owner = 1;
-- if room
INSERT INTO race_item VALUES (1, :session);

--- way write-then-count
-- meaning: write the owner's row, count, insert
-- safe: rc rr ser
-- mutant: count
UPDATE race_owner SET touched = touched + 1 WHERE id = 1;
SELECT count(*) < 1 AS room FROM race_item WHERE owner = 1;
-- if room
INSERT INTO race_item VALUES (1, :session);

--- way advisory-then-count
-- meaning: advisory lock, count, insert
-- safe: rc ser
-- mutant: count
SELECT pg_advisory_xact_lock(2);
SELECT count(*) < 1 AS room FROM race_item WHERE owner = 1;
-- if room
INSERT INTO race_item VALUES (1, :session);

--- way read-counter
-- meaning: read the counter, add one, insert
-- safe: rr ser
SELECT held < 1 AS room FROM race_owner WHERE id = 1;
-- if room
UPDATE race_owner SET held = held + 1 WHERE id = 1;
-- if room
INSERT INTO race_item VALUES (1, :session);

--- way counter
-- meaning: UPDATE … WHERE held < limit, insert
-- safe: rc rr ser
-- mutant: read-counter
UPDATE race_owner SET held = held + 1 WHERE id = 1 AND held < 1;
-- if some
INSERT INTO race_item VALUES (1, :session);

--- way slots-unlocked
-- meaning: read a free slot, take it, insert
-- safe: rr ser
SELECT slot FROM race_slot WHERE owner = 1 AND session IS NULL LIMIT 1;
-- if some
UPDATE race_slot SET session = :session WHERE owner = 1 AND slot = :slot;
-- if some
INSERT INTO race_item VALUES (1, :session);

--- way slots
-- meaning: take a free slot with SKIP LOCKED, insert
-- safe: rc rr ser
-- mutant: slots-unlocked
SELECT slot FROM race_slot WHERE owner = 1 AND session IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED;
-- if some
UPDATE race_slot SET session = :session WHERE owner = 1 AND slot = :slot;
-- if some
INSERT INTO race_item VALUES (1, :session);
