-- name: snooze
-- title: two jobs reopen one snoozed conversation and note it
-- ids: C4 A3

--- setup
CREATE TABLE race_snoozed (id int PRIMARY KEY, status text NOT NULL);
INSERT INTO race_snoozed VALUES (1, 'snoozed');
CREATE TABLE race_note (conversation int NOT NULL);

--- reset
UPDATE race_snoozed SET status = 'snoozed';
DELETE FROM race_note;

--- complaints
SELECT status || ', with ' || notes || ' notes of its reopening'
FROM race_snoozed, LATERAL (SELECT count(*) AS notes FROM race_note) AS counted WHERE (status, notes) <> ('open', 1);

--- way select-then-update
-- meaning: find the due, reopen, note
-- safe: rr ser
SELECT id FROM race_snoozed WHERE status = 'snoozed';
-- if some
UPDATE race_snoozed SET status = 'open' WHERE id = 1;
-- if some
INSERT INTO race_note VALUES (1);

--- way skip-locked
-- meaning: find the due with SKIP LOCKED
-- safe: rc rr ser
-- mutant: select-then-update
SELECT id FROM race_snoozed WHERE status = 'snoozed' FOR UPDATE SKIP LOCKED;
-- if some
UPDATE race_snoozed SET status = 'open' WHERE id = 1;
-- if some
INSERT INTO race_note VALUES (1);

--- way returning
-- meaning: UPDATE … WHERE snoozed RETURNING, note what it hit
-- safe: rc rr ser
-- mutant: select-then-update
UPDATE race_snoozed SET status = 'open' WHERE status = 'snoozed';
-- if some
INSERT INTO race_note VALUES (1);
