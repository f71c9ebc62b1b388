"""A message that a channel delivers twice is stored once. Stands for 0031, 0032 and 0033."""

import sqlalchemy as sa
from alembic import op

revision = "n12"
down_revision = "n11"


def upgrade() -> None:
    for column in ("source_id", "echo_id"):
        op.add_column("messages", sa.Column(column, sa.Text))
    op.create_index("messages_inbox_source_id_idx", "messages", ["inbox_id", "source_id"], unique=True)
    op.create_index("messages_conversation_echo_id_idx", "messages", ["conversation_id", "echo_id"], unique=True)
