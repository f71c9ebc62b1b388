-- name: last_activity_at
-- title: two messages move the clock of last activity
-- ids: C7

--- setup
CREATE TABLE race_activity (id int PRIMARY KEY, activity int NOT NULL DEFAULT 0);
INSERT INTO race_activity VALUES (1);
CREATE TABLE race_active (at int NOT NULL);

--- reset
UPDATE race_activity SET activity = 0;
DELETE FROM race_active;

--- complaints
-- The order of messages is the order of sessions: a later one must not be undone by an earlier one.
SELECT 'last activity is older than the newest message' FROM race_activity
WHERE activity < (SELECT max(at) FROM race_active);

--- way read-then-write
-- meaning: read the clock, write it when older
-- safe: rr ser
INSERT INTO race_active VALUES (:session);
SELECT activity < :session AS older FROM race_activity WHERE id = 1;
-- if older
UPDATE race_activity SET activity = :session WHERE id = 1;

--- way recompute
-- meaning: SET … = (SELECT max(at) FROM messages)
-- safe: rr ser
INSERT INTO race_active VALUES (:session);
UPDATE race_activity SET activity = (SELECT max(at) FROM race_active) WHERE id = 1;

--- way greatest
-- meaning: SET … = greatest(old, new)
-- safe: rc rr ser
-- mutant: read-then-write
INSERT INTO race_active VALUES (:session);
UPDATE race_activity SET activity = greatest(activity, :session) WHERE id = 1;

--- way where-older
-- meaning: UPDATE … WHERE the clock is older
-- safe: rc rr ser
-- mutant: read-then-write
INSERT INTO race_active VALUES (:session);
UPDATE race_activity SET activity = :session WHERE id = 1 AND activity < :session;
