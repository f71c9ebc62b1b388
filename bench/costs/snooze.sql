-- title: snoozed conversations whose time has come are reopened, with a line each
-- unit: conversation
-- ids: C4 A3

--- setup
UPDATE conversations SET status = 'snoozed', snoozed_until = now() - interval '1 hour';

--- way batch
-- meaning: ten at a time by SKIP LOCKED
-- atlas: snooze / skip-locked
-- ours: yes
-- call: reopen_ten
-- units: 10

--- way each
-- meaning: find ten, then a compare-and-set each
-- atlas: snooze / returning
-- call: reopen_ten_each
-- units: 10
