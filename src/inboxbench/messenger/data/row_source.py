"""The messenger's row source: what the seeder has to know of its tables, profiles and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from inboxbench.messenger.data import statements
from inboxbench.messenger.data.blocks import BlockBuilder, plan
from inboxbench.messenger.data.profile import Profile, contradictions, resized
from inboxbench.seed.row_source import Builder, Churn, Job, Layout, Measures, Plan, Problem

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
        "read_at", "sender_type", "sender_id", "direction", "message_type", "content_type", "private", "body",
        "source_id", "content_attributes",
    ),
}  # fmt: skip
LAYOUTS = {
    "baseline": Layout("baseline", "baseline.sql", _BASELINE),
    "head": Layout("head", "head.sql", _HEAD),
}


class MessengerRows:
    """A `RowSource` (see inboxbench.seed.row_source)."""

    generator = 3
    profile_type: type[Profile] = Profile
    counted = "messages"
    # Heap, baseline indexes and the sort files of their build.
    row_bytes = 620
    layouts: Mapping[str, Layout] = LAYOUTS
    measures: Measures = statements.MEASURES

    def problems(self, profile: Profile) -> Iterator[Problem]:
        return contradictions(profile)

    def size(self, profile: Profile) -> int:
        return profile.messages.count

    def resized(self, profile: Profile, size: int) -> Profile:
        return resized(profile, size)

    def ingredients(self, seeds: Path) -> tuple[Sequence[str], Sequence[Path]]:
        """The libraries that names and word frequencies come from, and the written phrases."""
        return (version("faker"), version("wordfreq")), sorted((seeds / "vocabulary").glob("*.txt"))

    def plan(self, job: Job, seeds: Path) -> Plan:
        return plan(job, seeds)

    def builder(self, job: Job) -> Builder:
        return BlockBuilder(job)

    def churn(self, section: Mapping[str, Any], rows: Mapping[str, int]) -> Churn:
        return statements.churn(section, rows)


ROW_SOURCE = MessengerRows()
