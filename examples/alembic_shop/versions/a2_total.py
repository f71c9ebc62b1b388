"""The total of each order. Harmful: all rows are filled while ADD COLUMN keeps everybody out of the table."""

import sqlalchemy as sa
from alembic import op

revision = "a2_total"
down_revision = "a1_note"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '1s'")
    op.add_column("orders", sa.Column("total_cents", sa.BigInteger))
    op.execute("UPDATE orders SET total_cents = quantity * price_cents")


def downgrade() -> None:
    op.drop_column("orders", "total_cents")
