"""Who waits longest.

What:   (account_id, status, waiting_since, created_at) on conversations.
Why:    serves the list sorted by waiting time inside an account. The one-column index on waiting_since is a trap:
        the planner walks it across all accounts in the hope of finding twenty rows of this one early.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

phase = 2
ids = ("C3",)
kind = "index"

_INDEX = "conversations_account_status_waiting_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(account_id, status, waiting_since, created_at)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
