"""A new column, filled in the transaction that made it."""

from alembic import op

revision = "r6"
down_revision = "r5"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN total numeric")
    op.execute("UPDATE orders SET total = amount * quantity")


def downgrade() -> None:
    raise NotImplementedError
