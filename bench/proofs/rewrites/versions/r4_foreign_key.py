"""A foreign key, added and checked in one statement."""

from alembic import op

revision = "r4"
down_revision = "r3"


def upgrade() -> None:
    op.execute(
        "ALTER TABLE orders ADD CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES customers (id)"
    )


def downgrade() -> None:
    raise NotImplementedError
