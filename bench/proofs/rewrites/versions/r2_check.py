"""A CHECK, added and checked in one statement."""

from alembic import op

revision = "r2"
down_revision = "r1"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount >= 0)")


def downgrade() -> None:
    raise NotImplementedError
