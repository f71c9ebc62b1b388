"""Indexes on messages that nothing needs any more. Stands for 0045."""

from alembic import op

revision = "n18"
down_revision = "n17"

_RETIRED = (
    "messages_account_id_idx",
    "messages_inbox_id_idx",
    "messages_conversation_id_idx",
    "messages_created_at_idx",
    "messages_conversation_direction_created_idx",
    "messages_conversation_account_type_created_idx",
    "messages_account_content_type_created_idx",
    "messages_body_trgm_idx",
)


def upgrade() -> None:
    for name in _RETIRED:
        op.drop_index(name, "messages")
