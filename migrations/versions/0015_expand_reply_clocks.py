"""Since when a customer waits, and when the first answer came.

What:   conversations.waiting_since and first_reply_created_at, moved by a trigger after each message:
        - a customer's public message starts the wait, if none is running;
        - a public reply, a colleague's or a bot's, ends it; a colleague's first one is remembered for good;
        - activity, template and private notes change neither;
        - resolving the conversation ends the wait.
        A new conversation waits for nobody until its customer has written. assignee_assigned_at stays what it was.
Why:    one UPDATE moves both clocks, with no condition on their old values: it locks the row also when nothing would
        change, so a backfill of that row has either seen the message or comes before this update. coalesce() keeps
        the first value, so concurrent writers cannot move a clock backwards or set it twice.
Locks:  ACCESS EXCLUSIVE on conversations for each column, SHARE ROW EXCLUSIVE on messages and conversations for the
        triggers, each for an instant and under lock_timeout.
Down:   drops triggers and columns; the next upgrade computes both from the messages again.
"""

from inboxbench.migrate import online

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

phase = 2
ids = ("C3", "C5", "P3")
kind = "expand"

_MOVE = """RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asks boolean := NEW.sender_type = 'contact' AND NEW.message_type = 0 AND NOT NEW.private;
    answers boolean := NEW.sender_type IN ('user', 'bot') AND NEW.message_type = 1 AND NOT NEW.private;
BEGIN
    IF asks OR answers THEN
        UPDATE conversations SET
            waiting_since = CASE WHEN asks THEN coalesce(waiting_since, NEW.created_at) END,
            first_reply_created_at = CASE
                WHEN answers AND NEW.sender_type = 'user' THEN coalesce(first_reply_created_at, NEW.created_at)
                ELSE first_reply_created_at
            END
        WHERE id = NEW.conversation_id;
    END IF;
    RETURN NULL;
END
$$"""

_CLEAR = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.waiting_since := NULL;
    RETURN NEW;
END
$$"""


def upgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "conversations", "waiting_since", "timestamptz")
    online.add_column(db, "conversations", "first_reply_created_at", "timestamptz")
    online.create_function(db, "messages_move_conversation_clocks", _MOVE)
    online.create_trigger(
        db, "messages", "messages_conversation_clocks", "AFTER INSERT", "messages_move_conversation_clocks"
    )
    online.create_function(db, "conversations_clear_waiting", _CLEAR)
    online.create_trigger(
        db,
        "conversations",
        "conversations_resolved",
        "BEFORE UPDATE OF status",
        "conversations_clear_waiting",
        condition="NEW.status = 'resolved' AND OLD.status <> 'resolved'",
    )


def downgrade() -> None:
    db = online.session(revision)
    online.drop_trigger(db, "conversations", "conversations_resolved")
    online.drop_function(db, "conversations_clear_waiting")
    online.drop_trigger(db, "messages", "messages_conversation_clocks")
    online.drop_function(db, "messages_move_conversation_clocks")
    online.drop_column(db, "conversations", "first_reply_created_at")
    online.drop_column(db, "conversations", "waiting_since")
