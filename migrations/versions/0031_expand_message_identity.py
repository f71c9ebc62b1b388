"""What a message is called elsewhere, and what was made of it.

What:   columns on messages: echo_id, the sending client's own id (M1); processed_message_content, the text without
        quotes and signatures (M2); external_source_ids, ids in other systems by their name (M4); sentiment (M5);
        source_id, the channel's id (M6).
Why:    no default, or a constant one: the table is not rewritten, and old code need not know of them.
Locks:  ACCESS EXCLUSIVE on messages for each column, for an instant and under lock_timeout.
Down:   drops the columns; their contents are lost, the older schema has no place for them.
"""

from inboxbench.migrate import online

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

phase = 4
ids = ("M1", "M2", "M4", "M5", "M6")
kind = "expand"

_TEXTS = ("echo_id", "processed_message_content", "source_id")
_OBJECTS = ("external_source_ids", "sentiment")


def upgrade() -> None:
    db = online.session(revision)
    for column in _TEXTS:
        online.add_column(db, "messages", column, "text")
    for column in _OBJECTS:
        online.add_column(db, "messages", column, "jsonb", default="'{}'", not_null=True)


def downgrade() -> None:
    db = online.session(revision)
    for column in (*_OBJECTS, *_TEXTS):
        online.drop_column(db, "messages", column)
