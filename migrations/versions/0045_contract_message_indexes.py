"""Indexes on messages that nothing needs any more.

What:   drops the one-column indexes of the baseline, the owners' P2.1b, M9a and M9b, and the trigrams of M9c.
Why:    a thread is read, its unread messages counted and the flood rule asked by (conversation_id, created_at DESC,
        id DESC) alone. messages (created_at) is a trap: it lures the planner from an old, long conversation through
        everything written since. Who must find any piece of a word builds messages_body_trgm_idx again (set
        recommended_substring).
Evidence, profile small, seed 1:
        thread_latest, longest 40,501 → 8 pages (messages_created_at_idx gone); thread_older, longest 217 → 7;
        flood_count, longest 10 → 4; unread_page, huge 331 → 136.
        WAL of a message 22,021 → 5,516 B, all indexes 165 → 86 MB (owners, recommended).
        search_substring, rare_ru 94 → 12,557: what the trigrams are for, and all that is lost.
        `inboxbench bench --sets owners,recommended --profile small`
Locks:  DROP INDEX CONCURRENTLY: SHARE UPDATE EXCLUSIVE; reads and writes go on.
Down:   builds them again, CONCURRENTLY: head is the owners' set then.
"""

from typing import LiteralString

from inboxbench.migrate import online

revision = "0045"
down_revision = "0044"
branch_labels = None
depends_on = None

phase = 4
ids = ("M8", "M9a", "M9b", "M9c", "P2.1b")
kind = "contract"

_RETIRED: tuple[tuple[str, str, LiteralString], ...] = (
    ("messages_account_id_idx", "messages", "(account_id)"),
    ("messages_inbox_id_idx", "messages", "(inbox_id)"),
    ("messages_conversation_id_idx", "messages", "(conversation_id)"),
    ("messages_created_at_idx", "messages", "(created_at)"),
    ("messages_conversation_direction_created_idx", "messages", "(conversation_id, direction, created_at)"),
    (
        "messages_conversation_account_type_created_idx",
        "messages",
        "(conversation_id, account_id, message_type, created_at)",
    ),
    ("messages_account_content_type_created_idx", "messages", "(account_id, content_type, created_at)"),
    ("messages_body_trgm_idx", "messages", "USING gin (body gin_trgm_ops) WITH (gin_pending_list_limit = 512)"),
)


def upgrade() -> None:
    db = online.session(revision)
    for name, _table, _definition in _RETIRED:
        online.drop_index(db, name)


def downgrade() -> None:
    db = online.session(revision)
    for name, table, definition in reversed(_RETIRED):
        online.create_index(db, name, table, definition)
