"""Every conversation has a last_activity_at.

What:   NOT NULL on conversations.last_activity_at.
Why:    a CHECK is added NOT VALID and validated beside running writes; with that proof SET NOT NULL scans nothing.
        The CHECK goes in the same transaction.
Locks:  ACCESS EXCLUSIVE on conversations for two instants under lock_timeout, SHARE UPDATE EXCLUSIVE for the scan.
Down:   NULL is allowed again.
"""

from inboxbench.migrate import online

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

phase = 4
ids = ("C7",)
kind = "contract"


def upgrade() -> None:
    online.set_not_null(online.session(revision), "conversations", "last_activity_at")


def downgrade() -> None:
    online.drop_not_null(online.session(revision), "conversations", "last_activity_at")
