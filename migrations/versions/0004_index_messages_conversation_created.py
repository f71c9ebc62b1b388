"""The latest messages of a conversation.

What:   (conversation_id, created_at DESC, id DESC) on messages.
Why:    the flood limit of the next revision counts the last minute of one conversation on every insert (M8), and
        the newest 20 messages are the most frequent read; the backfills of phase 2 walk it as well.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

phase = 1
ids = ("M8",)
kind = "index"

_INDEX = "messages_conversation_created_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "messages", "(conversation_id, created_at DESC, id DESC)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
