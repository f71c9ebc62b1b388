"""Contacts can be blocked.

What:   contacts.blocked, false by default. Muting a conversation sets it on the conversation's contact.
Why:    the default is a constant: the table is not rewritten, and old code need not know of it.
Locks:  ACCESS EXCLUSIVE on contacts for an instant, under lock_timeout.
Down:   drops the column; who was blocked is lost with it, the older schema has no place for it.
"""

from inboxbench.migrate import online

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

phase = 4
ids = ("A4",)
kind = "expand"


def upgrade() -> None:
    online.add_column(online.session(revision), "contacts", "blocked", "boolean", default="false", not_null=True)


def downgrade() -> None:
    online.drop_column(online.session(revision), "contacts", "blocked")
