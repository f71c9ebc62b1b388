"""The owners' composite index of conversations.

What:   (account_id, inbox_id, status, assignee_id) on conversations, as asked.
Why:    filters in one descent what four single-column indexes combine by bitmaps. It holds no sort column, so a
        sorted list still sorts; the measurements decide whether it stays.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

phase = 1
ids = ("C9",)
kind = "index"

_INDEX = "conversations_account_inbox_status_assignee_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(account_id, inbox_id, status, assignee_id)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
