"""The owners' index for the list of an inbox.

What:   (inbox_id, status, assignee_id, created_at) on conversations, as asked.
Why:    serves one tab of one inbox by creation time. It gives no order by last_activity_at, nor a range over
        `assignee_id IS NULL` sorted with others; the measurements decide whether it stays.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

phase = 1
ids = ("P2.1a",)
kind = "index"

_INDEX = "conversations_inbox_status_assignee_created_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(inbox_id, status, assignee_id, created_at)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
