"""An index that is not built CONCURRENTLY."""

from alembic import op

revision = "r1"
down_revision = None


def upgrade() -> None:
    op.execute("CREATE INDEX orders_customer ON orders (customer_id)")


def downgrade() -> None:
    raise NotImplementedError
