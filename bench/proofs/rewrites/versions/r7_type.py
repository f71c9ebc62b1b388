"""Another type, which writes every row anew."""

from alembic import op

revision = "r7"
down_revision = "r6"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ALTER COLUMN quantity TYPE bigint")


def downgrade() -> None:
    raise NotImplementedError
