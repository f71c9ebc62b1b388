"""A contact's conversations in one inbox.

What:   (contact_inbox_id) on conversations.
Why:    every foreign key of the messenger has its index: without it, deleting an entry of contact_inboxes reads the
        whole table of conversations, and so does the customer's own list.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

phase = 4
ids = ("K1",)
kind = "index"

_INDEX = "conversations_contact_inbox_id_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(contact_inbox_id)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
