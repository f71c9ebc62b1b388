"""The tables a dataset fills at each of the two ends of the migrations, and their columns as they are sent.

Columns that are left out take their default. Tables stand in the order in which their rows refer to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inboxbench.errors import unknown

_BASELINE: dict[str, tuple[str, ...]] = {
    "accounts": ("id", "created_at", "updated_at", "name", "locale"),
    "users": ("id", "account_id", "created_at", "updated_at", "role", "name", "email"),
    "inboxes": ("id", "account_id", "created_at", "updated_at", "name"),
    "inbox_members": ("inbox_id", "user_id", "created_at"),
    "contacts": (
        "id", "account_id", "created_at", "updated_at",
        "name", "email", "phone_number", "external_id",
    ),
    "conversations": (
        "id", "account_id", "inbox_id", "contact_id", "created_at", "updated_at", "uuid",
        "assignee_id", "assignee_assigned_at", "assignee_last_read_at", "status",
        "branch", "region", "rating_score", "rated_at",
        "metadata", "rating_comment",
    ),
    "messages": (
        "id", "account_id", "inbox_id", "conversation_id", "created_at",
        "read_at", "sender_type", "sender_id", "direction", "body",
    ),
}  # fmt: skip
_HEAD: dict[str, tuple[str, ...]] = {
    **{table: _BASELINE[table] for table in ("accounts", "users", "inboxes", "inbox_members")},
    "contacts": (
        "id", "account_id", "created_at", "updated_at", "blocked",
        "name", "email", "phone_number", "external_id",
    ),
    "duplicate_resolutions": (
        "id", "row_id", "kept_id", "resolved_at",
        "revision", "table_name", "column_name", "value",
    ),
    "contact_inboxes": ("id", "contact_id", "inbox_id", "created_at", "updated_at", "source_id"),
    "conversation_counters": ("account_id", "last_display_id"),
    "conversations": (
        "id", "account_id", "inbox_id", "contact_id", "created_at", "updated_at", "uuid",
        "display_id", "last_activity_at", "contact_inbox_id",
        "assignee_id", "assignee_assigned_at", "assignee_last_read_at", "status",
        "branch", "region", "rating_score", "rated_at",
        "waiting_since", "first_reply_created_at", "agent_last_seen_at", "contact_last_seen_at",
        "priority", "snoozed_until", "identifier",
        "additional_attributes", "custom_attributes", "rating_comment",
    ),
    "messages": (
        "id", "account_id", "inbox_id", "conversation_id", "created_at",
        "read_at", "sender_type", "sender_id", "direction", "message_type", "private", "body",
        "source_id", "content_attributes",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Layout:
    """`schema` is the file under schema/ that makes the tables."""

    name: str
    schema: str
    columns: Mapping[str, tuple[str, ...]]

    @property
    def at_head(self) -> bool:
        return self.name == "head"


LAYOUTS = {
    "baseline": Layout("baseline", "baseline.sql", _BASELINE),
    "head": Layout("head", "head.sql", _HEAD),
}


def layout(name: str) -> Layout:
    """Raises UsageError for anything but baseline and head."""
    if name not in LAYOUTS:
        raise unknown("schema to seed at", name, LAYOUTS)
    return LAYOUTS[name]
