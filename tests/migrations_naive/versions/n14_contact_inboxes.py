"""One contact in several inboxes. Stands for 0035, 0036, 0037 and 0039."""

import sqlalchemy as sa
from alembic import op

revision = "n14"
down_revision = "n13"


def upgrade() -> None:
    op.create_table(
        "contact_inboxes",
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("contact_id", sa.BigInteger, sa.ForeignKey("contacts.id"), nullable=False),
        sa.Column("inbox_id", sa.BigInteger, sa.ForeignKey("inboxes.id"), nullable=False),
    )
    op.add_column("conversations", sa.Column("contact_inbox_id", sa.BigInteger))
    op.execute(
        "INSERT INTO contact_inboxes (contact_id, inbox_id) SELECT DISTINCT contact_id, inbox_id FROM conversations"
    )
    op.create_index("contact_inboxes_contact_id_idx", "contact_inboxes", ["contact_id", "inbox_id"], unique=True)
    op.execute(
        "UPDATE conversations c SET contact_inbox_id = k.id FROM contact_inboxes k"
        " WHERE k.contact_id = c.contact_id AND k.inbox_id = c.inbox_id"
    )
    op.create_foreign_key(
        "conversations_contact_inbox_id_fkey", "conversations", "contact_inboxes", ["contact_inbox_id"], ["id"]
    )
    op.add_column("contacts", sa.Column("blocked", sa.Boolean, server_default="false", nullable=False))
