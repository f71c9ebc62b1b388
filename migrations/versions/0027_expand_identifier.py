"""A conversation's key in an outside system.

What:   conversations.identifier, text, NULL unless some other system knows the conversation.
Why:    a column without default: old rows are not touched and old code need not know of it.
Locks:  ACCESS EXCLUSIVE on conversations for an instant, under lock_timeout.
Down:   drops the column; the keys are lost with it, the older schema has no place for them.
"""

from inboxbench.migrate import online

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

phase = 4
ids = ("C2",)
kind = "expand"


def upgrade() -> None:
    online.add_column(online.session(revision), "conversations", "identifier", "text")


def downgrade() -> None:
    online.drop_column(online.session(revision), "conversations", "identifier")
