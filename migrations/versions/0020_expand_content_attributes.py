"""What else there is to know about a message.

What:   messages.content_attributes, a jsonb object: in_reply_to, deleted, external_created_at, translations,
        automation_rule_id. A CHECK keeps strings and arrays out, so that ->> works on every row; a deleted message
        ({"deleted": true}) is one that no search returns.
        The reply clocks learn of it: a message that an automation rule sent answers nobody, so it neither ends the
        customer's wait nor counts as the first reply.
Why:    the default is a constant, so the table is not rewritten; the CHECK is added NOT VALID and validated
        afterwards; a function is replaced without a lock on any table.
Locks:  ACCESS EXCLUSIVE on messages for column and CHECK, each for an instant and under lock_timeout; SHARE UPDATE
        EXCLUSIVE while the CHECK is validated.
Down:   the clocks' function as 0015 made it; drops the column, whose contents are lost.
"""

from alembic import context

from inboxbench.migrate import online

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

phase = 3
ids = ("M3", "P4")
kind = "expand"

_NAME = "messages_move_conversation_clocks"

MOVE = """RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asks boolean := NEW.sender_type = 'contact' AND NEW.message_type = 0 AND NOT NEW.private;
    answers boolean := NEW.sender_type IN ('user', 'bot') AND NEW.message_type = 1 AND NOT NEW.private
        AND NOT NEW.content_attributes ? 'automation_rule_id';
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


def upgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "messages", "content_attributes", "jsonb", default="'{}'", not_null=True)
    online.add_check(
        db,
        "messages",
        "messages_content_attributes_check",
        "jsonb_typeof(content_attributes) = 'object'",
        remedy="make their content_attributes a JSON object",
    )
    online.create_function(db, _NAME, MOVE)


def downgrade() -> None:
    db = online.session(revision)
    online.create_function(db, _NAME, context.script.get_revision("0015").module._MOVE)
    online.drop_column(db, "messages", "content_attributes")
