-- title: an agent takes the oldest free conversation (nobody else about)
-- unit: claim
-- ids: A1 P1.2

--- way one-statement
-- meaning: SKIP LOCKED and UPDATE in one
-- atlas: take / one-statement-skip-locked
-- ours: yes
-- strategy: skip-locked-one

--- way two-statements
-- meaning: SELECT … SKIP LOCKED, UPDATE
-- atlas: take / skip-locked
-- strategy: skip-locked

--- way compare-and-set
-- meaning: SELECT, UPDATE … WHERE free
-- atlas: take / compare-and-set
-- strategy: compare-and-set
