-- name: first_reply
-- title: two agents give the first reply
-- ids: C5

--- setup
CREATE TABLE race_replied (id int PRIMARY KEY, replied int);
INSERT INTO race_replied VALUES (1);

--- reset
UPDATE race_replied SET replied = NULL;

--- complaints
-- Whoever was answered "you were first" must be the one who is remembered, and there is one.
WITH answered AS (SELECT answer::int FROM jsonb_array_elements(:answers) AS answer WHERE answer <> 'null')
SELECT 'answered first: ' || string_agg(answer::text, ', ') || '; remembered: ' || coalesce(min(replied)::text, 'nobody')
FROM race_replied, answered HAVING count(*) > 1 OR bool_or(answer IS DISTINCT FROM replied);

--- way read-then-write
-- meaning: write the time when none is set
-- safe: rr ser
SELECT replied IS NULL AS unset FROM race_replied WHERE id = 1;
-- if unset
UPDATE race_replied SET replied = :session WHERE id = 1 RETURNING replied AS answer;

--- way where-null
-- meaning: UPDATE … WHERE it IS NULL
-- safe: rc rr ser
-- mutant: read-then-write
UPDATE race_replied SET replied = :session WHERE replied IS NULL RETURNING replied AS answer;

--- way lock-then-read
-- meaning: lock the conversation, then read and write
-- safe: rc rr ser
-- mutant: read-then-write
SELECT FROM race_replied WHERE id = 1 FOR NO KEY UPDATE;
SELECT replied IS NULL AS unset FROM race_replied WHERE id = 1;
-- if unset
UPDATE race_replied SET replied = :session WHERE id = 1 RETURNING replied AS answer;
