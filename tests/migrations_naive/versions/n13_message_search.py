"""Text search by trigrams. Stands for 0034."""

from alembic import op

revision = "n13"
down_revision = "n12"


def upgrade() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.create_index(
        "messages_body_trgm_idx", "messages", ["body"], postgresql_using="gin", postgresql_ops={"body": "gin_trgm_ops"}
    )
