"""An optimistic send that is retried inserts once.

What:   unique (conversation_id, echo_id) on messages, of rows that have one.
Why:    a client that got no answer sends again with the same echo_id: INSERT … ON CONFLICT DO NOTHING stores one row,
        however many copies arrive at once.
        Values that are there twice are resolved first: the oldest row keeps its own, the others' go to
        duplicate_resolutions. A duplicate that slips in while the index is built makes both steps run again.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build leaves
        behind is found and built anew.
Down:   drops the index, CONCURRENTLY too, and puts resolved values back.
"""

from inboxbench.migrate import online
from inboxbench.migrate.duplicates import UniqueValue, resolve_and_index, restore

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

phase = 4
ids = ("M1",)
kind = "index"

_UNIQUE = UniqueValue(
    index="messages_conversation_echo_id_key", table="messages", scope="conversation_id", column="echo_id"
)


def upgrade() -> None:
    resolve_and_index(online.session(revision), _UNIQUE)


def downgrade() -> None:
    db = online.session(revision)
    online.drop_index(db, _UNIQUE.index)
    restore(db, _UNIQUE)
