"""The tables a dataset fills, in the order in which their rows may refer to each other."""

from __future__ import annotations

# Columns as they are sent. What is left out takes its default.
COLUMNS: dict[str, tuple[str, ...]] = {
    "accounts": ("id", "name", "locale", "created_at", "updated_at"),
    "users": ("id", "account_id", "name", "email", "role", "created_at", "updated_at"),
    "inboxes": ("id", "account_id", "name", "created_at", "updated_at"),
    "inbox_members": ("inbox_id", "user_id", "created_at"),
    "contacts": (
        "id",
        "account_id",
        "created_at",
        "updated_at",
        "name",
        "email",
        "phone_number",
        "external_id",
    ),
    "conversations": (
        "id",
        "uuid",
        "account_id",
        "inbox_id",
        "contact_id",
        "created_at",
        "updated_at",
        "assignee_id",
        "assignee_assigned_at",
        "assignee_last_read_at",
        "status",
        "metadata",
        "branch",
        "region",
        "rating_score",
        "rating_comment",
        "rated_at",
    ),
    "messages": (
        "id",
        "account_id",
        "inbox_id",
        "conversation_id",
        "created_at",
        "sender_type",
        "sender_id",
        "direction",
        "read_at",
        "body",
    ),
}
