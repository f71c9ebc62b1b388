-- title: a conversation is resolved and its contact blocked
-- unit: mute
-- ids: A4 A3

--- way mute
-- meaning: lock, block, resolve, line
-- atlas: lock order / one-order
-- ours: yes
-- call: mute

--- way at-once
-- meaning: both in one statement, without a line
-- atlas: lock order / one-order
--- act
WITH old AS MATERIALIZED (
    SELECT id, contact_id FROM conversations WHERE id = :conversation AND status <> 'resolved' FOR NO KEY UPDATE
), blocked AS (
    UPDATE contacts SET blocked = true, updated_at = now() FROM old
    WHERE contacts.id = old.contact_id AND NOT blocked
)
UPDATE conversations c SET status = 'resolved', updated_at = now() FROM old WHERE c.id = old.id;

--- way resolve
-- meaning: resolved with its line, nobody blocked
-- atlas: assign / compare-and-set
-- call: resolve
