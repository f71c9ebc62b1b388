"""NOT NULL, which reads every row."""

from alembic import op

revision = "r3"
down_revision = "r2"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ALTER COLUMN note SET NOT NULL")


def downgrade() -> None:
    raise NotImplementedError
