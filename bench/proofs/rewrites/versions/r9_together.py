"""Two tables in one transaction: the lock of the first is kept while the second is read."""

from alembic import op

revision = "r9"
down_revision = "r8"


def upgrade() -> None:
    op.execute("ALTER TABLE customers ADD COLUMN seen_at timestamptz")
    op.execute("CREATE INDEX orders_placed ON orders (placed_at)")


def downgrade() -> None:
    raise NotImplementedError
