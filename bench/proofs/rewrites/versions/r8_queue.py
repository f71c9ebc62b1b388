"""A lock that has to wait for whoever counts customers, without a lock_timeout."""

from alembic import op

revision = "r8"
down_revision = "r7"


def upgrade() -> None:
    op.execute("ALTER TABLE customers ADD COLUMN tier text")


def downgrade() -> None:
    raise NotImplementedError
