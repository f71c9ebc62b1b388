"""Indexes that nothing needs any more. Stands for 0044 and 0045."""

from alembic import op

revision = "n17"
down_revision = "n16"

_RETIRED = {
    "conversations": (
        "conversations_account_id_idx",
        "conversations_inbox_id_idx",
        "conversations_assignee_id_idx",
        "conversations_status_idx",
        "conversations_branch_idx",
        "conversations_region_idx",
        "conversations_created_at_idx",
        "conversations_account_inbox_status_assignee_idx",
        "conversations_inbox_status_assignee_created_idx",
    ),
    "messages": (
        "messages_account_id_idx",
        "messages_inbox_id_idx",
        "messages_conversation_id_idx",
        "messages_created_at_idx",
        "messages_conversation_direction_created_idx",
        "messages_conversation_account_type_created_idx",
        "messages_account_content_type_created_idx",
        "messages_body_trgm_idx",
    ),
}


def upgrade() -> None:
    for table, names in _RETIRED.items():
        for name in names:
            op.drop_index(name, table)
