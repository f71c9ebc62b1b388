"""A note for each order: a column without a default, which changes the catalogue and no row."""

import sqlalchemy as sa
from alembic import op

revision = "a1_note"
down_revision = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.add_column("orders", sa.Column("note", sa.Text))


def downgrade() -> None:
    op.drop_column("orders", "note")
