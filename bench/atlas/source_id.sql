-- name: source_id
-- title: one outside message is delivered twice
-- ids: M1 M6

--- setup
CREATE TABLE race_delivery (inbox int NOT NULL, source_id text NOT NULL);
CREATE TABLE race_delivery_once (inbox int NOT NULL, source_id text NOT NULL, UNIQUE (inbox, source_id));

--- reset
DELETE FROM race_delivery;
DELETE FROM race_delivery_once;

--- complaints
SELECT 'stored ' || count(*) || ' times' FROM (TABLE race_delivery UNION ALL TABLE race_delivery_once) AS both_tables
HAVING count(*) <> 1;

--- way look-then-insert
-- meaning: SELECT, then INSERT when absent
-- safe: ser
SELECT 1 FROM race_delivery WHERE inbox = 1 AND source_id = 'm';
-- if none
INSERT INTO race_delivery VALUES (1, 'm');

--- way where-not-exists
-- meaning: INSERT … WHERE NOT EXISTS
-- safe: ser
INSERT INTO race_delivery
SELECT 1, 'm' WHERE NOT EXISTS (SELECT FROM race_delivery WHERE inbox = 1 AND source_id = 'm');

--- way advisory
-- meaning: advisory lock on the id, look, insert
-- safe: rc ser
-- mutant: look-then-insert
SELECT pg_advisory_xact_lock(hashtext('m'));
SELECT 1 FROM race_delivery WHERE inbox = 1 AND source_id = 'm';
-- if none
INSERT INTO race_delivery VALUES (1, 'm');

--- way unique
-- meaning: INSERT under a unique index: an error
-- safe: rc rr ser
-- mutant: look-then-insert
INSERT INTO race_delivery_once VALUES (1, 'm');

--- way on-conflict
-- meaning: INSERT … ON CONFLICT DO NOTHING
-- safe: rc rr ser
-- mutant: look-then-insert
INSERT INTO race_delivery_once VALUES (1, 'm') ON CONFLICT DO NOTHING;
