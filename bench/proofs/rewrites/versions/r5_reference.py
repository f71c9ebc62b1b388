"""A new column, then its foreign key."""

from alembic import op

revision = "r5"
down_revision = "r4"


def upgrade() -> None:
    op.execute("ALTER TABLE orders ADD COLUMN buyer_id bigint")
    op.execute("ALTER TABLE orders ADD CONSTRAINT orders_buyer_fk FOREIGN KEY (buyer_id) REFERENCES customers (id)")


def downgrade() -> None:
    raise NotImplementedError
