"""P2.2: a page of the operator's list in one statement, whatever its size.

The page is chosen first, by an index that holds its order (C7); contact, inbox, assignee, last message and unread count
are then looked up for its rows alone, by LATERAL. `page_orm` has what an application with an ORM does instead.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql
from psycopg.rows import dict_row

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.messenger.app.unread import UNREAD

PAGE = 25
PREVIEW = 200  # characters of the last message; a body may have 150,000

Tab = Literal["all", "mine", "unassigned"]


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page: the next one begins below it."""

    last_activity_at: dt.datetime
    conversation_id: int


@dataclass(frozen=True, slots=True)
class Listing:
    """Which page. agent_id: whose tab Mine is; inbox_id: None for every inbox; after: None for the first page."""

    account_id: int
    tab: Tab = "all"
    agent_id: int | None = None
    status: str = "open"
    inbox_id: int | None = None
    after: Cursor | None = None
    size: int = PAGE

    def __post_init__(self) -> None:
        if self.tab == "mine" and self.agent_id is None:
            raise UsageError("the tab Mine needs agent_id: whose conversations they are")


@dataclass(frozen=True, slots=True)
class LastMessage:
    """The newest message that is no activity line; preview: the beginning of its body, None when it has none."""

    id: int
    type: int
    at: dt.datetime
    preview: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One conversation as the list shows it; unread: customer's messages since an agent last looked (C6)."""

    conversation_id: int
    display_id: int
    status: str
    priority: int | None
    last_activity_at: dt.datetime
    waiting_since: dt.datetime | None
    contact_name: str
    inbox_name: str
    assignee_name: str | None
    last_message: LastMessage | None
    unread: int

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.last_activity_at, self.conversation_id)


_PAGE = sql.SQL("""
    WITH page AS MATERIALIZED (
        SELECT c.id, c.account_id, c.display_id, c.status, c.priority, c.last_activity_at, c.waiting_since,
               c.contact_id, c.inbox_id, c.assignee_id, c.agent_last_seen_at
        FROM conversations c
        WHERE {conditions}
        ORDER BY c.last_activity_at DESC, c.id DESC
        LIMIT %(size)s
    )
    SELECT c.id AS conversation_id, c.display_id, c.status, c.priority, c.last_activity_at, c.waiting_since,
           k.name AS contact_name, i.name AS inbox_name, a.name AS assignee_name, u.unread, l.*
    FROM page c
    JOIN contacts k ON k.id = c.contact_id
    JOIN inboxes i ON i.id = c.inbox_id
    LEFT JOIN users a ON a.id = c.assignee_id
    LEFT JOIN LATERAL (
        SELECT m.id AS last_id, m.message_type AS last_type, m.created_at AS last_at,
               left(m.body, %(preview)s) AS last_preview
        FROM messages m
        WHERE m.conversation_id = c.id AND m.message_type <> 2
        ORDER BY m.created_at DESC, m.id DESC
        LIMIT 1
    ) AS l ON true
    CROSS JOIN LATERAL ({unread}) AS u(unread)
    ORDER BY c.last_activity_at DESC, c.id DESC
""")

_ALWAYS = sql.SQL("c.account_id = %(account)s AND c.status = %(status)s")
_TABS: dict[Tab, sql.SQL | None] = {
    "all": None,
    "mine": sql.SQL("c.assignee_id = %(agent)s"),
    "unassigned": sql.SQL("c.assignee_id IS NULL"),
}
_INBOX = sql.SQL("c.inbox_id = %(inbox)s")
_BELOW = sql.SQL("(c.last_activity_at, c.id) < (%(after_at)s, %(after_id)s)")


def page_query(listing: Listing) -> sql.Composed:
    """The statement, without a condition for what the listing leaves open: each tab is planned on its own."""
    parts = [_ALWAYS, _TABS[listing.tab], _INBOX if listing.inbox_id else None, _BELOW if listing.after else None]
    conditions = sql.SQL(" AND ").join([part for part in parts if part is not None])
    return _PAGE.format(conditions=conditions, unread=UNREAD)


def page_parameters(listing: Listing) -> dict[str, Any]:
    """What `page_query` takes."""
    after = listing.after
    return {
        "account": listing.account_id,
        "agent": listing.agent_id,
        "status": listing.status,
        "inbox": listing.inbox_id,
        "after_at": after.last_activity_at if after else None,
        "after_id": after.conversation_id if after else None,
        "size": listing.size,
        "preview": PREVIEW,
    }


def read_page(connection: Connection, listing: Listing) -> list[Row]:
    """The rows of one page, newest activity first, in one statement."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_row(columns) for columns in cursor.execute(page_query(listing), page_parameters(listing))]


def _row(columns: dict[str, Any]) -> Row:
    last = {
        name.removeprefix("last_"): columns.pop(name) for name in ("last_id", "last_type", "last_at", "last_preview")
    }
    return Row(**columns, last_message=None if last["id"] is None else LastMessage(**last))
