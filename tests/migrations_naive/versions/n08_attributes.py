"""Two kinds of attributes instead of one heap. Stands for 0020, 0021, 0022 and 0040."""

import sqlalchemy as sa
from alembic import op

revision = "n08"
down_revision = "n07"


def upgrade() -> None:
    op.add_column("messages", sa.Column("content_attributes", sa.JSON, server_default="{}", nullable=False))
    for column in ("additional_attributes", "custom_attributes"):
        op.add_column("conversations", sa.Column(column, sa.JSON, server_default="{}", nullable=False))
    op.execute("UPDATE conversations SET additional_attributes = metadata")
    op.drop_column("conversations", "metadata")
