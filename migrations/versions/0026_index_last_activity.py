"""The list, latest first.

What:   (account_id, status, last_activity_at DESC) on conversations.
Why:    serves the list sorted by last activity inside an account. An index on last_activity_at alone is a trap: the
        planner walks it across all accounts in the hope of finding twenty rows of this one early.
        From here on a message that moves last_activity_at is no HOT update of its conversation any more.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

phase = 4
ids = ("C7",)
kind = "index"

_INDEX = "conversations_account_status_last_activity_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(account_id, status, last_activity_at DESC)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
