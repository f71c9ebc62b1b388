"""The owners' index of messages by direction.

What:   (conversation_id, direction, created_at) on messages, as asked.
Why:    serves the last customer or operator message of a conversation. The unfiltered newest 20 need 0004's order
        instead; the measurements decide whether it stays.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

phase = 1
ids = ("P2.1b",)
kind = "index"

_INDEX = "messages_conversation_direction_created_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "messages", "(conversation_id, direction, created_at)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
