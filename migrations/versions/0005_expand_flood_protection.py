"""At most N messages per conversation and window.

What:   a trigger before each insert into messages: it locks the conversation's row, counts the messages of the window
        and refuses the one above the limit with SQLSTATE IB001. Default 200 a minute; `inboxbench.flood_limit` and
        `inboxbench.flood_window` change it for a session, role or database.
Why:    counting without the lock lets concurrent writers pass together. The lock is taken by a statement of its own,
        so under READ COMMITTED the count sees what the previous holder committed: exactly N get through. (Above it
        the snapshot is older than the lock; from the revision on that moves last_activity_at with every message,
        such a writer fails with 40001 and tries again.) FOR NO KEY UPDATE does not fight foreign key checks.
        Messages dated before the window are history being imported: neither locked nor counted.
        The count stops at the limit and reads the index of 0004.
Locks:  SHARE ROW EXCLUSIVE on messages for an instant, under lock_timeout. Afterwards writers of one and the same
        conversation queue behind each other until they commit.
Down:   drops trigger and function.
"""

from inboxbench.migrate import online

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

phase = 1
ids = ("M8", "P1.1")
kind = "expand"

_FUNCTION = """RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    allowed integer := coalesce(nullif(current_setting('inboxbench.flood_limit', true), ''), '200');
    span interval := coalesce(nullif(current_setting('inboxbench.flood_window', true), ''), '1 minute');
    recent integer;
BEGIN
    IF NEW.created_at < now() - span THEN
        RETURN NEW;
    END IF;
    PERFORM FROM conversations WHERE id = NEW.conversation_id FOR NO KEY UPDATE;
    SELECT count(*) INTO recent FROM (
        SELECT FROM messages
        WHERE conversation_id = NEW.conversation_id AND created_at >= now() - span
        LIMIT allowed
    ) AS counted;
    IF recent >= allowed THEN
        RAISE EXCEPTION 'too many messages in conversation %: at most % per %', NEW.conversation_id, allowed, span
            USING ERRCODE = 'IB001', HINT = 'Wait, or raise inboxbench.flood_limit for this role.';
    END IF;
    RETURN NEW;
END
$$"""


def upgrade() -> None:
    db = online.session(revision)
    online.create_function(db, "messages_refuse_flood", _FUNCTION)
    online.create_trigger(db, "messages", "messages_flood", "BEFORE INSERT", "messages_refuse_flood")


def downgrade() -> None:
    db = online.session(revision)
    online.drop_trigger(db, "messages", "messages_flood")
    online.drop_function(db, "messages_refuse_flood")
