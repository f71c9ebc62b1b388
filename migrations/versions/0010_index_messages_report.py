"""The owners' index of messages for reports.

What:   (conversation_id, account_id, message_type, created_at) on messages, as asked.
Why:    serves counts by message type. account_id after conversation_id adds nothing to its selectivity; the
        measurements decide whether it stays.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

phase = 1
ids = ("M9a",)
kind = "index"

_INDEX = "messages_conversation_account_type_created_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "messages", "(conversation_id, account_id, message_type, created_at)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
