"""When somebody last looked. Stands for 0018 and 0019."""

import sqlalchemy as sa
from alembic import op

revision = "n07"
down_revision = "n06"


def upgrade() -> None:
    op.add_column(
        "conversations",
        sa.Column(
            "agent_last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
    )
    op.add_column("conversations", sa.Column("contact_last_seen_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE conversations SET agent_last_seen_at = coalesce(assignee_last_read_at, created_at)")
