"""The owners' index of messages by content type.

What:   (account_id, content_type, created_at) on messages, as asked.
Why:    serves counts of surveys in an account over a period. It knows nothing of the text, so it finds no words;
        the measurements decide whether it stays.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build left is
        found and built anew.
Down:   drops the index, CONCURRENTLY too.
"""

from inboxbench.migrate import online

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

phase = 1
ids = ("M9b",)
kind = "index"

_INDEX = "messages_account_content_type_created_idx"


def upgrade() -> None:
    db = online.session(revision)
    online.create_index(db, _INDEX, "messages", "(account_id, content_type, created_at)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)
