"""The owners' indexes of messages. Stands for 0004, 0009, 0010 and 0011."""

import sqlalchemy as sa
from alembic import op

revision = "n02"
down_revision = "n01"


def upgrade() -> None:
    op.create_index("messages_conversation_created_idx", "messages", ["conversation_id", sa.text("created_at DESC")])
    op.create_index(
        "messages_conversation_direction_created_idx", "messages", ["conversation_id", "direction", "created_at"]
    )
    op.create_index(
        "messages_conversation_account_type_created_idx",
        "messages",
        ["conversation_id", "account_id", "message_type", "created_at"],
    )
    op.create_index(
        "messages_account_content_type_created_idx", "messages", ["account_id", "content_type", "created_at"]
    )
