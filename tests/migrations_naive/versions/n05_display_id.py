"""The number people use. Stands for 0012, 0013 and 0014."""

import sqlalchemy as sa
from alembic import op

revision = "n05"
down_revision = "n04"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("display_id", sa.Integer, nullable=True))
    op.execute(
        "UPDATE conversations c SET display_id = n.number FROM"
        " (SELECT id, row_number() OVER (PARTITION BY account_id ORDER BY id) AS number FROM conversations) AS n"
        " WHERE n.id = c.id"
    )
    op.alter_column("conversations", "display_id", nullable=False)
    op.create_unique_constraint("conversations_account_display_id_key", "conversations", ["account_id", "display_id"])
