"""The owners' indexes of conversations. Stands for 0007 and 0008."""

from alembic import op

revision = "n04"
down_revision = "n03"


def upgrade() -> None:
    op.create_index(
        "conversations_inbox_status_assignee_created_idx",
        "conversations",
        ["inbox_id", "status", "assignee_id", "created_at"],
    )
    op.create_index(
        "conversations_account_inbox_status_assignee_idx",
        "conversations",
        ["account_id", "inbox_id", "status", "assignee_id"],
    )
