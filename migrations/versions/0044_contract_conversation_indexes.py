"""Indexes on conversations that nothing needs any more.

What:   drops the one-column indexes of the baseline but contact_id, the owners' C9 and P2.1a, C3 and C7 as they were
        asked for, and contacts (external_id), which the unique (account_id, external_id) answers.
Why:    every message moves last_activity_at of its conversation, and such an update enters every index of the row: what
        no query needs is paid for with each message. Some harm as well: by created_at or status alone the planner
        reads other tenants' rows. A foreign key's own check of inbox, agent and contact_inbox scans from here on:
        deleting one of these is rare, messages are not.
Evidence, profile small, seed 1:
        pg_walinspect's account of a message, trigrams left out: 2,754 B at 0040, 1,615 B at head without its search.
        The indexes retired here log 1,071 B of that: last_activity 127, waiting 112, C9 109, branch 101, region 100,
        P2.1a 92, account 88, created_at 71, inbox 69, assignee 68, status 67, contact_inbox 67. Those of 0041: 464 B,
        list 151, assignee 107, waiting 100, creation 84, priority 22. What no set can drop: three unique rules of
        conversations that every moved row enters, 241 B.
        assign 1,580 → 1,085 B, resolve 1,557 → 708 B, open_conversation 1,780 → 1,327 B (owners, recommended).
        Pages where one of them served: list_mine 25 → 27, tab_counts 22 → 8, unread_agent 52 → 57, unread_inbox 600 →
        734; list_branch_region 40 → 246: both texts in an index of open conversations would cost every message (set
        recommended_branch_region).
        `inboxbench bench --sets owners,recommended,recommended_no_search --profile small`
Locks:  DROP INDEX CONCURRENTLY: SHARE UPDATE EXCLUSIVE; reads and writes go on.
Down:   builds them again, CONCURRENTLY: head is the owners' set then.
"""

from typing import LiteralString

from inboxbench.migrate import online

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

phase = 4
ids = ("A6", "C3", "C7", "C9", "C10", "K1", "K2", "P2.1a")
kind = "contract"

_RETIRED: tuple[tuple[str, str, LiteralString], ...] = (
    ("conversations_account_id_idx", "conversations", "(account_id)"),
    ("conversations_inbox_id_idx", "conversations", "(inbox_id)"),
    ("conversations_assignee_id_idx", "conversations", "(assignee_id)"),
    ("conversations_status_idx", "conversations", "(status)"),
    ("conversations_branch_idx", "conversations", "(branch)"),
    ("conversations_region_idx", "conversations", "(region)"),
    ("conversations_created_at_idx", "conversations", "(created_at)"),
    ("conversations_contact_inbox_id_idx", "conversations", "(contact_inbox_id)"),
    ("conversations_account_inbox_status_assignee_idx", "conversations", "(account_id, inbox_id, status, assignee_id)"),
    ("conversations_inbox_status_assignee_created_idx", "conversations", "(inbox_id, status, assignee_id, created_at)"),
    ("conversations_account_status_last_activity_idx", "conversations", "(account_id, status, last_activity_at DESC)"),
    ("conversations_account_status_waiting_idx", "conversations", "(account_id, status, waiting_since, created_at)"),
    ("contacts_external_id_idx", "contacts", "(external_id)"),
)


def upgrade() -> None:
    db = online.session(revision)
    for name, _table, _definition in _RETIRED:
        online.drop_index(db, name)


def downgrade() -> None:
    db = online.session(revision)
    for name, table, definition in reversed(_RETIRED):
        online.create_index(db, name, table, definition)
