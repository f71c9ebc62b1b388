"""One conversation per outside key. Stands for 0027 and 0028."""

import sqlalchemy as sa
from alembic import op

revision = "n10"
down_revision = "n09"


def upgrade() -> None:
    op.add_column("conversations", sa.Column("identifier", sa.Text))
    op.create_index("conversations_identifier_idx", "conversations", ["account_id", "identifier"], unique=True)
