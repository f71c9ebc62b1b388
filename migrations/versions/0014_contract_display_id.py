"""display_id is unique in its account, and always there.

What:   UNIQUE (account_id, display_id), then NOT NULL.
Why:    every row has its number by now; the index is what /conversations/1234 reads, and the last word on
        uniqueness whatever a later trigger does.
Locks:  the index is built CONCURRENTLY; NOT NULL is proved by a CHECK that is validated beside running traffic, so
        ACCESS EXCLUSIVE is held for an instant, under lock_timeout.
Down:   lets it be NULL again and drops the index.
"""

from inboxbench.migrate import online

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

phase = 2
ids = ("C1", "P3")
kind = "contract"

_INDEX = "conversations_account_display_id_key"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "conversations", "(account_id, display_id)", unique=True)
    online.set_not_null(db, "conversations", "display_id")


def downgrade() -> None:
    db = online.session(revision)
    online.drop_not_null(db, "conversations", "display_id")
    online.drop_index(db, _INDEX)
