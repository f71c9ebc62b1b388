"""Search by words, and contacts by a piece of what is known of them. Stands for 0042 and 0043."""

import sqlalchemy as sa
from alembic import op

revision = "n16"
down_revision = "n15"

_KNOWN = ("name", "email", "phone_number", "external_id")


def upgrade() -> None:
    op.create_index(
        "messages_account_created_idx", "messages", ["account_id", sa.text("created_at DESC"), sa.text("id DESC")]
    )
    op.create_index(
        "messages_body_words_idx", "messages", [sa.text("to_tsvector('russian', body)")], postgresql_using="gin"
    )
    op.execute("ANALYZE messages")
    op.create_index(
        "contacts_search_trgm_idx",
        "contacts",
        list(_KNOWN),
        postgresql_using="gin",
        postgresql_ops=dict.fromkeys(_KNOWN, "gin_trgm_ops"),
    )
