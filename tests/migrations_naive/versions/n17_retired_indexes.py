"""Indexes on conversations that nothing needs any more. Stands for 0044."""

from alembic import op

revision = "n17"
down_revision = "n16"

_RETIRED = (
    "conversations_account_id_idx",
    "conversations_inbox_id_idx",
    "conversations_assignee_id_idx",
    "conversations_status_idx",
    "conversations_branch_idx",
    "conversations_region_idx",
    "conversations_created_at_idx",
    "conversations_account_inbox_status_assignee_idx",
    "conversations_inbox_status_assignee_created_idx",
)


def upgrade() -> None:
    for name in _RETIRED:
        op.drop_index(name, "conversations")
