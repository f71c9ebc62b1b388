"""Since when a customer waits. Stands for 0015, 0016 and 0017."""

import sqlalchemy as sa
from alembic import op

revision = "n06"
down_revision = "n05"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("waiting_since", sa.DateTime(timezone=True)))
    op.add_column("conversations", sa.Column("first_reply_created_at", sa.DateTime(timezone=True)))
    op.execute(
        "UPDATE conversations c SET waiting_since = m.asked, first_reply_created_at = m.answered FROM"
        " (SELECT conversation_id, max(created_at) FILTER (WHERE direction = 'incoming') AS asked,"
        " min(created_at) FILTER (WHERE direction = 'outgoing') AS answered"
        " FROM messages GROUP BY conversation_id) AS m WHERE m.conversation_id = c.id"
    )
    op.create_index(
        "conversations_account_status_waiting_idx", "conversations", ["account_id", "status", "waiting_since"]
    )
