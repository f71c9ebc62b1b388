"""What a message is. Stands for 0002 and 0003."""

import sqlalchemy as sa
from alembic import op

revision = "n01"
down_revision = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("message_type", sa.SmallInteger, nullable=True))
    op.add_column("messages", sa.Column("content_type", sa.SmallInteger, server_default="0", nullable=False))
    op.add_column("messages", sa.Column("private", sa.Boolean, server_default="false", nullable=False))
    op.execute("UPDATE messages SET message_type = CASE direction WHEN 'outgoing' THEN 1 ELSE 0 END")
    op.alter_column("messages", "message_type", server_default="0", nullable=False)
    op.create_check_constraint("messages_message_type_check", "messages", "message_type BETWEEN 0 AND 3")
