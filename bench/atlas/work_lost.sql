-- name: work lost
-- title: two workers, one piece of work, and either may die
-- ids: A1 P1.2

--- setup
-- A lease counts claims: whoever claims last holds the highest. NULL: a claim that nobody may ever take away.
CREATE TABLE race_work (id int PRIMARY KEY, state text NOT NULL, lease int, claims int NOT NULL DEFAULT 0,
                        done int NOT NULL DEFAULT 0);
INSERT INTO race_work VALUES (1, 'new');

--- reset
UPDATE race_work SET state = 'new', lease = NULL, claims = 0, done = 0;

--- complaints
-- All sessions are over: what is taken now stays so, unless its lease ends.
SELECT 'taken by somebody who is gone, and never done' FROM race_work WHERE state = 'taken' AND lease IS NULL
UNION ALL SELECT 'done ' || done || ' times' FROM race_work WHERE done > 1;

--- way claim-then-work
-- meaning: commit the claim, then do the work
-- deaths: 1
-- autocommit: yes
-- No transaction is open while the work is done.
UPDATE race_work SET state = 'taken'
WHERE id = (SELECT id FROM race_work WHERE state = 'new' LIMIT 1 FOR UPDATE SKIP LOCKED);
-- if some
UPDATE race_work SET state = 'done', done = done + 1 WHERE id = 1;

--- way work-in-transaction
-- meaning: hold the claim open until the work is done
-- safe: rc rr ser
-- mutant: claim-then-work
-- deaths: 1
SELECT id FROM race_work WHERE state = 'new' LIMIT 1 FOR UPDATE SKIP LOCKED;
-- if some
UPDATE race_work SET state = 'done', done = done + 1 WHERE id = 1;

--- way lease
-- meaning: commit the claim with a lease; done by whoever
-- deaths: 1
-- autocommit: yes
-- Any lease may be over by now, as that of a worker who is slow: the worst case, always.
UPDATE race_work SET state = 'taken', claims = claims + 1, lease = claims + 1
WHERE id = (SELECT id FROM race_work WHERE state = 'new' OR state = 'taken' AND lease IS NOT NULL
            LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING lease;
-- if some
UPDATE race_work SET state = 'done', done = done + 1 WHERE id = 1;

--- way lease-fenced
-- meaning: the same, and only the holder of the last lease may finish
-- safe: rc rr ser
-- mutant: lease
-- deaths: 1
-- autocommit: yes
UPDATE race_work SET state = 'taken', claims = claims + 1, lease = claims + 1
WHERE id = (SELECT id FROM race_work WHERE state = 'new' OR state = 'taken' AND lease IS NOT NULL
            LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING lease;
-- if some
UPDATE race_work SET state = 'done', done = done + 1 WHERE id = 1 AND lease = :lease AND state = 'taken';
