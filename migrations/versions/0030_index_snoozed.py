"""What is due.

What:   (snoozed_until) on conversations, of snoozed rows only.
Why:    the job that reopens due conversations runs every minute; the index is as small as the number of snoozed
        conversations and costs nothing for all others.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

phase = 4
ids = ("C4",)
kind = "index"

_INDEX = "conversations_snoozed_until_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(snoozed_until) WHERE status = 'snoozed'")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
