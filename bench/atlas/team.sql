-- name: team
-- title: a conversation changes its team while an agent of both takes it
-- ids: A1
-- serial: race_teamed

--- setup
CREATE TABLE race_teamed (id int PRIMARY KEY, team int NOT NULL, holder int);
INSERT INTO race_teamed VALUES (1, 1, NULL);
CREATE TABLE race_team_member (team int NOT NULL, agent int NOT NULL);
INSERT INTO race_team_member VALUES (1, 10), (2, 10), (1, 20);

--- reset
UPDATE race_teamed SET team = 1, holder = NULL;

--- way whole-row
-- meaning: read the row, write all of it back
-- safe: rr ser
-- As an object that is loaded, changed and saved: what was read of the holder is written again.
--- session 1
SELECT holder FROM race_teamed LEFT JOIN race_team_member m ON m.agent = holder AND m.team = 2
WHERE id = 1 AND (holder IS NULL OR m.agent IS NOT NULL);
UPDATE race_teamed SET team = 2, holder = :holder WHERE id = 1;
--- session 2
UPDATE race_teamed SET holder = 10 WHERE id = 1 AND holder IS NULL;

--- way whole-row-locked-join
-- meaning: the same, read FOR UPDATE with a join
-- safe: rr ser
-- After its wait the server looks at the locked row again, but joins it to what the other tables held before.
--- session 1
SELECT holder FROM race_teamed LEFT JOIN race_team_member m ON m.agent = holder AND m.team = 2
WHERE id = 1 AND (holder IS NULL OR m.agent IS NOT NULL) FOR UPDATE OF race_teamed;
UPDATE race_teamed SET team = 2, holder = :holder WHERE id = 1;
--- session 2
UPDATE race_teamed SET holder = 10 WHERE id = 1 AND holder IS NULL;

--- way whole-row-locked
-- meaning: lock the row, then read it, write all of it back
-- safe: rc rr ser
-- mutant: whole-row
--- session 1
SELECT FROM race_teamed WHERE id = 1 FOR UPDATE;
SELECT holder FROM race_teamed LEFT JOIN race_team_member m ON m.agent = holder AND m.team = 2
WHERE id = 1 AND (holder IS NULL OR m.agent IS NOT NULL);
UPDATE race_teamed SET team = 2, holder = :holder WHERE id = 1;
--- session 2
UPDATE race_teamed SET holder = 10 WHERE id = 1 AND holder IS NULL;

--- way own-column
-- meaning: let the UPDATE itself look at the holder
-- safe: rc rr ser
-- mutant: whole-row
-- The holder leaves only if the statement itself finds that they are not in the team.
--- session 1
UPDATE race_teamed SET team = 2, holder = (SELECT agent FROM race_team_member WHERE team = 2 AND agent = holder)
WHERE id = 1;
--- session 2
UPDATE race_teamed SET holder = 10 WHERE id = 1 AND holder IS NULL;
