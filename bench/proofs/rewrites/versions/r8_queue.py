"""Locks that have to wait for whoever reports on customers, without a lock_timeout."""

from alembic import op

revision = "r8"
down_revision = "r7"


def upgrade() -> None:
    for column in ("tier", "language", "birthday", "referrer"):
        with op.get_context().autocommit_block():
            op.execute(f"ALTER TABLE customers ADD COLUMN {column} text")


def downgrade() -> None:
    raise NotImplementedError
