"""The tables a dataset fills, in the order in which their rows may refer to each other."""

from __future__ import annotations

# Columns as they are sent. What is left out takes its default.
COLUMNS: dict[str, tuple[str, ...]] = {
    "accounts": ("id", "created_at", "updated_at", "name", "locale"),
    "users": ("id", "account_id", "created_at", "updated_at", "role", "name", "email"),
    "inboxes": ("id", "account_id", "created_at", "updated_at", "name"),
    "inbox_members": ("inbox_id", "user_id", "created_at"),
    "contacts": (
        "id", "account_id", "created_at", "updated_at",
        "name", "email", "phone_number", "external_id",
    ),
    "conversations": (
        "id", "account_id", "inbox_id", "contact_id", "created_at", "updated_at",
        "uuid", "assignee_id", "assignee_assigned_at", "assignee_last_read_at", "status",
        "branch", "region", "rating_score", "rated_at",
        "metadata", "rating_comment",
    ),
    "messages": (
        "id", "account_id", "inbox_id", "conversation_id", "created_at",
        "read_at", "sender_type", "sender_id", "direction", "body",
    ),
}  # fmt: skip
