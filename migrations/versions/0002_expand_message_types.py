"""What a message is: message_type, content_type, private.

What:   three columns on messages. message_type 0 incoming, 1 outgoing, 2 activity, 3 template; content_type 0 is
        text; private marks a note among colleagues. Both kinds of index the owners asked for need them (M9a, M9b).
Why:    the defaults are constants, so the table is not rewritten. Old code knows only `direction`: a trigger derives
        message_type from it, and leaves what new code says (activity, template) alone.
Locks:  ACCESS EXCLUSIVE on messages for each column, SHARE ROW EXCLUSIVE for the trigger, all for an instant and
        under lock_timeout; the CHECK is validated beside running reads and writes.
Down:   drops the columns; which messages were activity, template or private is lost with them.
"""

from inboxbench.migrate import online

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

phase = 1
ids = ("M9a", "M9b")
kind = "expand"

_FUNCTION = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.message_type := CASE NEW.direction WHEN 'outgoing' THEN 1 ELSE 0 END;
    RETURN NEW;
END
$$"""

# Only where type and direction disagree about who speaks; incoming messages of old code cost no function call.
_DISAGREE = "NEW.message_type IN (0, 1) AND (NEW.message_type = 1) <> (NEW.direction = 'outgoing')"


def upgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "messages", "message_type", "smallint", default="0", not_null=True)
    online.add_column(db, "messages", "content_type", "smallint", default="0", not_null=True)
    online.add_column(db, "messages", "private", "boolean", default="false", not_null=True)
    online.add_check(
        db,
        "messages",
        "messages_message_type_check",
        "message_type BETWEEN 0 AND 3",
        remedy="set their message_type to one of 0 to 3",
    )
    online.create_function(db, "messages_derive_message_type", _FUNCTION)
    online.create_trigger(
        db,
        "messages",
        "messages_message_type",
        "BEFORE INSERT OR UPDATE OF direction",
        "messages_derive_message_type",
        condition=_DISAGREE,
    )


def downgrade() -> None:
    db = online.session(revision)
    online.drop_trigger(db, "messages", "messages_message_type")
    online.drop_function(db, "messages_derive_message_type")
    for column in ("private", "content_type", "message_type"):
        online.drop_column(db, "messages", column)
