"""One conversation per outside key.

What:   unique (account_id, identifier) on conversations, of rows that have one.
Why:    finds the conversation an outside event is about, and keeps two from claiming the same key.
        Values that are there twice are resolved first: the oldest row keeps its own, the others' go to
        duplicate_resolutions. A duplicate that slips in while the index is built makes both steps run again.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on conversations; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too, and puts resolved values back; duplicate_resolutions, which
        this revision was the first to need, goes too.
"""

from inboxbench.migrate import online
from inboxbench.migrate.duplicates import UniqueValue, resolve_and_index, restore

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

phase = 4
ids = ("C2",)
kind = "index"

_UNIQUE = UniqueValue(
    index="conversations_account_identifier_key", table="conversations", scope="account_id", column="identifier"
)


def upgrade() -> None:
    resolve_and_index(online.session(revision), _UNIQUE)


def downgrade() -> None:
    db = online.session(revision)
    online.drop_index(db, _UNIQUE.index)
    restore(db, _UNIQUE)
    online.drop_table(db, "duplicate_resolutions")
