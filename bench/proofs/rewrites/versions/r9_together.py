"""Two tables in one transaction: the lock of the first is kept while the second is read."""

from alembic import op

revision = "r9"
down_revision = "r8"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN seen_at timestamptz")
    op.execute("CREATE INDEX customers_email ON customers (email)")


def downgrade() -> None:
    raise NotImplementedError
