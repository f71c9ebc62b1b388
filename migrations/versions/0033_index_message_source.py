"""A message that a channel delivers twice is stored once.

What:   unique (inbox_id, source_id) on messages, of rows that have one.
Why:    channels deliver at least once, and often at the same moment; only the index sees both copies.
        Values that are there twice are resolved first: the oldest row keeps its own, the others' go to
        duplicate_resolutions. A duplicate that slips in while the index is built makes both steps run again.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too, and puts resolved values back.
"""

from inboxbench.migrate import online
from inboxbench.migrate.duplicates import UniqueValue, resolve_and_index, restore

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

phase = 4
ids = ("M6",)
kind = "index"

_UNIQUE = UniqueValue(index="messages_inbox_source_id_key", table="messages", scope="inbox_id", column="source_id")


def upgrade() -> None:
    resolve_and_index(online.session(revision), _UNIQUE)


def downgrade() -> None:
    db = online.session(revision)
    online.drop_index(db, _UNIQUE.index)
    restore(db, _UNIQUE)
