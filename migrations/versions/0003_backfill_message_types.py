"""Outgoing messages written before message_type existed.

What:   message_type 1 where direction is outgoing; incoming rows have the right value from the column's default.
Why:    keyset batches over the primary key; the trigger of 0002 was in place first, so every row it has not seen
        is visible to the backfill.
Locks:  row locks (FOR NO KEY UPDATE) of one batch at a time, about 50 ms.
Down:   forgets the record; the values go with their column in 0002.
"""

from inboxbench.migrate import backfill, online

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

phase = 1
ids = ("M9a",)
kind = "backfill"

_TYPES = backfill.Backfill(
    name="messages.message_type",
    table="messages",
    only="direction = 'outgoing' AND message_type = 0",
    write=("UPDATE messages SET message_type = 1 WHERE id = ANY(%(ids)s)",),
)


def upgrade() -> None:
    backfill.fill(online.session(revision), _TYPES)


def downgrade() -> None:
    backfill.forget(online.session(revision), _TYPES.name)
