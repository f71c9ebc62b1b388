"""When a conversation was last heard of, and how urgent it is.

What:   conversations.last_activity_at, now() for new rows, moved by every message of any type, and never backwards;
        priority, 0 low to 3 urgent, NULL for none: lists sort by both.
Why:    the function that moves the reply clocks moves this one too, so a message still writes its conversation once.
        The column comes without a default and gets it afterwards: old rows stay NULL until the backfill, which
        tells them from new ones by nothing but its order. Replacing a function waits for nobody, so the lock on
        messages, taken in the same transaction, waits for every message in flight: whatever the old function has
        let through is committed, and visible to the backfill, when this revision ends.
Locks:  ACCESS EXCLUSIVE on conversations for the columns, the default and the CHECK, SHARE ROW EXCLUSIVE on messages
        for the function; each for an instant and under lock_timeout.
Down:   the function as 0020 made it, then drops both columns; last_activity_at can be computed again, priority not.
"""

from typing import LiteralString

from alembic import context
from psycopg import sql

from inboxbench.migrate import online

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

phase = 4
ids = ("C7",)
kind = "expand"

_NAME = "messages_move_conversation_clocks"
_DEFAULT = "ALTER TABLE conversations ALTER COLUMN last_activity_at SET DEFAULT now()"

MOVE: LiteralString = """RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asks boolean := NEW.sender_type = 'contact' AND NEW.message_type = 0 AND NOT NEW.private;
    answers boolean := NEW.sender_type IN ('user', 'bot') AND NEW.message_type = 1 AND NOT NEW.private
        AND NOT NEW.content_attributes ? 'automation_rule_id';
BEGIN
    UPDATE conversations SET
        last_activity_at = greatest(last_activity_at, NEW.created_at),
        waiting_since = CASE
            WHEN asks THEN coalesce(waiting_since, NEW.created_at)
            WHEN NOT answers THEN waiting_since
        END,
        first_reply_created_at = CASE
            WHEN answers AND NEW.sender_type = 'user' THEN coalesce(first_reply_created_at, NEW.created_at)
            ELSE first_reply_created_at
        END
    WHERE id = NEW.conversation_id;
    RETURN NULL;
END
$$"""


def upgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "conversations", "last_activity_at", "timestamptz")
    online.run(db, "default of last_activity_at", _DEFAULT)
    online.run(
        db,
        "let messages move last_activity_at",
        sql.SQL("CREATE OR REPLACE FUNCTION {}() {}").format(sql.Identifier(_NAME), sql.SQL(MOVE)),
        "LOCK TABLE messages IN SHARE ROW EXCLUSIVE MODE",
    )
    online.add_column(db, "conversations", "priority", "smallint")
    online.add_check(
        db,
        "conversations",
        "conversations_priority_check",
        "priority BETWEEN 0 AND 3",
        remedy="set their priority to one of 0 to 3, or NULL",
    )


def downgrade() -> None:
    db = online.session(revision)
    online.create_function(db, _NAME, context.script.get_revision("0020").module.MOVE)
    online.drop_column(db, "conversations", "priority")
    online.drop_column(db, "conversations", "last_activity_at")
