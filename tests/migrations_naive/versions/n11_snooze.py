"""Not now: snoozed until. Stands for 0029 and 0030."""

import sqlalchemy as sa
from alembic import op

revision = "n11"
down_revision = "n10"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("snoozed_until", sa.DateTime(timezone=True)))
    op.drop_constraint("conversations_status_check", "conversations")
    op.create_check_constraint(
        "conversations_status_check", "conversations", "status IN ('open', 'pending', 'resolved', 'snoozed')"
    )
    op.create_index("conversations_snoozed_until_idx", "conversations", ["snoozed_until"])
