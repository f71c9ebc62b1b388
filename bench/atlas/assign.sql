-- name: assign
-- title: two agents take one conversation
-- ids: A1 P1.2

--- setup
CREATE TABLE race_ticket (id int PRIMARY KEY, holder int, version int NOT NULL DEFAULT 0,
                          claims int[] NOT NULL DEFAULT '{}');
INSERT INTO race_ticket VALUES (1);
CREATE TABLE race_ticket_claim (ticket int PRIMARY KEY, agent int NOT NULL);

--- reset
UPDATE race_ticket SET holder = NULL, version = 0, claims = '{}';
DELETE FROM race_ticket_claim;

--- complaints
-- One claim in the row, and one agent who was answered that it is theirs.
WITH seen AS (
    SELECT claims, cardinality(claims) AS claimed,
           (SELECT count(*) FROM jsonb_array_elements(:answers) AS answer WHERE answer = 'true') AS answered
    FROM race_ticket
)
SELECT 'assigned to ' || array_to_string(claims, ', ') || ', one after the other' FROM seen WHERE claimed > 1
UNION ALL SELECT answered || ' agents were answered that it is theirs' FROM seen WHERE answered > 1
UNION ALL SELECT 'assigned, and nobody was answered so' FROM seen WHERE answered < claimed AND claimed <= 1;

--- way naive
-- meaning: read, branch, write
-- safe: rr ser
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way write-then-check
-- meaning: write if free, then read whether it stuck
-- safe: rr ser
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;
SELECT holder = :session AS answer FROM race_ticket WHERE id = 1;

--- way for-update
-- meaning: read FOR UPDATE, branch, write
-- safe: rc rr ser
-- mutant: naive
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1 FOR UPDATE;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way for-no-key-update
-- meaning: the same, without blocking foreign-key checks
-- safe: rc rr ser
-- mutant: naive
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1 FOR NO KEY UPDATE;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way for-share
-- meaning: read FOR SHARE: both may, then neither can write
-- safe: rc rr ser
-- mutant: naive
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1 FOR SHARE;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way nowait
-- meaning: FOR UPDATE NOWAIT: error instead of a wait
-- safe: rc rr ser
-- mutant: naive
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1 FOR UPDATE NOWAIT;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way skip-locked
-- meaning: FOR UPDATE SKIP LOCKED, then write
-- safe: rc rr ser
-- mutant: naive
SELECT id FROM race_ticket WHERE holder IS NULL FOR UPDATE SKIP LOCKED;
-- if some
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way compare-and-set
-- meaning: UPDATE … WHERE holder IS NULL
-- safe: rc rr ser
-- mutant: naive
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int
WHERE id = 1 AND holder IS NULL;

--- way deaf-compare-and-set
-- meaning: the same, not looking whether it hit
-- safe: rr ser
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1;
-- if free
WITH hit AS (
    UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int
    WHERE id = 1 AND holder IS NULL
)
SELECT true AS answer;

--- way version
-- meaning: UPDATE … WHERE version is the one seen
-- safe: rc rr ser
-- mutant: naive
SELECT version AS seen FROM race_ticket WHERE id = 1 AND holder IS NULL;
-- if some
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int
WHERE id = 1 AND version = :seen;

--- way advisory
-- meaning: advisory lock for the transaction, read, write
-- safe: rc rr ser
-- mutant: own-lock
SELECT pg_advisory_xact_lock(1);
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way try-advisory
-- meaning: advisory lock or give up
-- safe: rc rr ser
-- mutant: naive
SELECT pg_try_advisory_xact_lock(1) AS locked;
-- if locked
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way own-lock
-- meaning: each agent locks its own row, not the shared one
-- safe: rr ser
SELECT pg_advisory_xact_lock(100 + :session);
SELECT holder IS NULL AS free FROM race_ticket WHERE id = 1;
-- if free
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way not-exists
-- meaning: UPDATE … WHERE NOT EXISTS (subquery)
-- safe: rr ser
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int
WHERE id = 1 AND NOT EXISTS (SELECT FROM race_ticket AS same WHERE same.id = 1 AND holder IS NOT NULL);

--- way cte
-- meaning: WITH free AS (SELECT …) UPDATE … FROM free
-- safe: rr ser
WITH free AS MATERIALIZED (SELECT id FROM race_ticket WHERE id = 1 AND holder IS NULL)
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int
FROM free WHERE race_ticket.id = free.id;

--- way cte-for-update
-- meaning: WITH free AS (SELECT … FOR UPDATE) UPDATE …
-- safe: rc rr ser
-- mutant: cte
WITH free AS MATERIALIZED (SELECT id FROM race_ticket WHERE id = 1 AND holder IS NULL FOR UPDATE)
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int
FROM free WHERE race_ticket.id = free.id;

--- way unique-claim
-- meaning: INSERT a claim under a unique key, then write
-- safe: rc rr ser
-- mutant: naive
INSERT INTO race_ticket_claim VALUES (1, :session);
-- if some
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;

--- way on-conflict
-- meaning: INSERT … ON CONFLICT DO NOTHING, then write
-- safe: rc rr ser
-- mutant: naive
INSERT INTO race_ticket_claim VALUES (1, :session) ON CONFLICT DO NOTHING;
-- if some
UPDATE race_ticket SET holder = :session, version = version + 1, claims = claims || :session::int WHERE id = 1;
