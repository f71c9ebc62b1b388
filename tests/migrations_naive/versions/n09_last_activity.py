"""The list, latest first. Stands for 0023, 0024, 0025 and 0026."""

import sqlalchemy as sa
from alembic import op

revision = "n09"
down_revision = "n08"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("last_activity_at", sa.DateTime(timezone=True)))
    op.add_column("conversations", sa.Column("priority", sa.SmallInteger))
    op.execute(
        "UPDATE conversations c SET last_activity_at ="
        " coalesce((SELECT max(m.created_at) FROM messages m WHERE m.conversation_id = c.id), c.created_at)"
    )
    op.alter_column("conversations", "last_activity_at", nullable=False)
    op.create_index(
        "conversations_account_status_last_activity_idx", "conversations", ["account_id", "status", "last_activity_at"]
    )
