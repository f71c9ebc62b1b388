"""The order of each list, in its index.

What:   six indexes on conversations: the list of an account, an agent's, by creation, by waiting and by priority, and
        the queue of an inbox.
Why:    an index that ends before the order of the list leaves reading and sorting to the query, as C9, P2.1a and C7
        without its tie-breaker do. Assignee and inbox stand behind the order: a row of another agent or inbox is
        passed over in the index, and the tabs are counted there. What is open, one conversation in fifty, has small
        indexes of its own. The account leads the agent's list as well: left to a filter, PostgreSQL takes it for a
        rare one and walks the list of the whole account instead.
Evidence: pages read with the worst parameters, under the owners' set and with these, profile small, seed 1:
        list_all, huge             412 → 22      list_unassigned, huge   207 → 22
        list_agent_inboxes, huge   177 → 21      list_waiting, huge      412 → 27
        list_priority, huge        412 → 26      list_created, huge       42 → 9
        list_resolved, huge      1,882 → 25      list_unattended, huge   412 → 28
        tab_counts, huge            22 → 8       take_next, huge          48 → 3
        `inboxbench bench --profile small --sets owners,recommended`
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE; reads and writes go on. What a failed build leaves behind is found and
        built anew.
Down:   drops them, CONCURRENTLY too.
"""

from typing import LiteralString

from inboxbench.migrate import online

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

phase = 4
ids = ("A1", "A6", "C3", "C7", "C9", "P2.1a")
kind = "index"

_INDEXES: tuple[tuple[str, str, LiteralString], ...] = (
    (
        "conversations_account_status_activity_idx",
        "conversations",
        "(account_id, status, last_activity_at DESC, id DESC, assignee_id, inbox_id) WITH (fillfactor = 70)",
    ),
    (
        "conversations_open_assignee_activity_idx",
        "conversations",
        "(account_id, assignee_id, last_activity_at DESC, id DESC) WHERE status = 'open' AND assignee_id IS NOT NULL",
    ),
    ("conversations_open_created_idx", "conversations", "(account_id, created_at DESC, id DESC) WHERE status = 'open'"),
    (
        "conversations_open_waiting_idx",
        "conversations",
        "(account_id, waiting_since, created_at, id) WHERE status = 'open'",
    ),
    (
        "conversations_open_priority_idx",
        "conversations",
        "(account_id, priority DESC, last_activity_at DESC, id DESC) WHERE status = 'open' AND priority IS NOT NULL",
    ),
    (
        "conversations_queue_idx",
        "conversations",
        "(inbox_id, created_at, id) WHERE status = 'open' AND assignee_id IS NULL",
    ),
)


def upgrade() -> None:
    db = online.session(revision)
    for name, table, definition in _INDEXES:
        online.create_index(db, name, table, definition)


def downgrade() -> None:
    db = online.session(revision)
    for name, _table, _definition in reversed(_INDEXES):
        online.drop_index(db, name)
