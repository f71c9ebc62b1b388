"""The order of each list, in its index. Stands for 0041."""

import sqlalchemy as sa
from alembic import op

revision = "n15"
down_revision = "n14"

_OPEN = "status = 'open'"
_INDEXES: dict[str, tuple[list[str | sa.TextClause], str | None]] = {
    "conversations_account_status_activity_idx": (
        ["account_id", "status", sa.text("last_activity_at DESC"), sa.text("id DESC"), "assignee_id", "inbox_id"],
        None,
    ),
    "conversations_open_assignee_activity_idx": (
        ["account_id", "assignee_id", sa.text("last_activity_at DESC"), sa.text("id DESC")],
        f"{_OPEN} AND assignee_id IS NOT NULL",
    ),
    "conversations_open_created_idx": (["account_id", sa.text("created_at DESC"), sa.text("id DESC")], _OPEN),
    "conversations_open_waiting_idx": (["account_id", "waiting_since", "created_at", "id"], _OPEN),
    "conversations_open_priority_idx": (
        ["account_id", sa.text("priority DESC"), sa.text("last_activity_at DESC"), sa.text("id DESC")],
        f"{_OPEN} AND priority IS NOT NULL",
    ),
    "conversations_queue_idx": (["inbox_id", "created_at", "id"], f"{_OPEN} AND assignee_id IS NULL"),
}


def upgrade() -> None:
    for name, (columns, where) in _INDEXES.items():
        op.create_index(name, "conversations", columns, postgresql_where=sa.text(where) if where else None)
