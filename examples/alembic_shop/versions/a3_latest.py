"""The latest orders of a customer: an index that is built while others write."""

from alembic import op

revision = "a3_latest"
down_revision = "a2_total"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("orders_latest_idx", "orders", ["customer_id", "placed_at"], postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("orders_latest_idx", postgresql_concurrently=True)
