"""P2.2, P2.3: a page of the operator's list in one statement, whatever its size, and the unread counts beside it.

The page is chosen first, by an index that holds its order (C7); contact, inbox, assignee, last message and unread count
are then looked up for its rows alone, by LATERAL. `READERS` has what an application with an ORM does instead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from psycopg import sql
from psycopg.rows import dict_row
from sqlalchemy import ScalarSelect, Select, func, select, true, tuple_
from sqlalchemy.orm import Session, aliased, joinedload, selectinload
from sqlalchemy.sql import literal

from inboxbench.database import Connection
from inboxbench.errors import UsageError
from inboxbench.messenger import scopes
from inboxbench.messenger.app.message import MessageType
from inboxbench.messenger.models import Conversation, Message
from inboxbench.sqlfile import read_sections

_SQL = read_sections(__file__)

UNREAD = sql.SQL(_SQL["unread"])


@dataclass(frozen=True, slots=True)
class InboxUnread:
    """Holds what waits in an inbox: conversations with anything unread, and messages in them."""

    inbox_id: int
    conversations: int
    messages: int


_UNREAD_OF_PAGE = sql.SQL(_SQL["unread of page"]).format(unread=UNREAD)

_AGENT = sql.SQL(_SQL["agent"])
_MINE = sql.SQL("AND c.assignee_id = a.id")


def unread_of_page(connection: Connection, conversations: Sequence[int]) -> dict[int, int]:
    """Conversation → unread messages, for the conversations of one page, in one statement."""
    rows = connection.execute(_UNREAD_OF_PAGE, (list(conversations),)).fetchall()
    return {int(conversation): int(unread) for conversation, unread in rows}


def unread_of_agent(connection: Connection, agent_id: int, *, mine: bool = False) -> list[InboxUnread]:
    """Return the badge of each inbox that the agent sees, over open conversations; mine: only those the agent holds.

    An agent sees the inboxes of which they are a member, an administrator all of the account.
    """
    query = _AGENT.format(unread=UNREAD, mine=_MINE if mine else sql.SQL(""))
    rows = connection.execute(query, {"agent": agent_id}).fetchall()
    return [InboxUnread(*map(int, row)) for row in rows]


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
    """Holds which page. agent_id: whose tab Mine is; inbox_id: None for every inbox; after: None for the first page."""

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


_PAGE = sql.SQL(_SQL["page"])

_ALWAYS = sql.SQL("c.account_id = %(account)s AND c.status = %(status)s")
_TABS: dict[Tab, sql.SQL | None] = {
    "all": None,
    "mine": sql.SQL("c.assignee_id = %(agent)s"),
    "unassigned": sql.SQL("c.assignee_id IS NULL"),
}
_INBOX = sql.SQL("c.inbox_id = %(inbox)s")
_BELOW = sql.SQL("(c.last_activity_at, c.id) < (%(after_at)s, %(after_id)s)")


def page_query(listing: Listing) -> sql.Composed:
    """Return the statement, without a condition for what the listing leaves open: each tab is planned on its own."""
    parts = [_ALWAYS, _TABS[listing.tab], _INBOX if listing.inbox_id else None, _BELOW if listing.after else None]
    conditions = sql.SQL(" AND ").join([part for part in parts if part is not None])
    return _PAGE.format(conditions=conditions, unread=UNREAD)


def page_parameters(listing: Listing) -> dict[str, Any]:
    """Return what `page_query` takes."""
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
    """Return the rows of one page, newest activity first, in one statement."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return [_row(columns) for columns in cursor.execute(page_query(listing), page_parameters(listing))]


def _row(columns: dict[str, Any]) -> Row:
    last = {
        name.removeprefix("last_"): columns.pop(name) for name in ("last_id", "last_type", "last_at", "last_preview")
    }
    return Row(**columns, last_message=None if last["id"] is None else LastMessage(**last))


def _page(listing: Listing) -> Select[Conversation]:
    """Return the conversations of the page, by the scopes (A6)."""
    query = scopes.conversations(listing.account_id).where(Conversation.status == listing.status)
    if listing.tab == "mine" and listing.agent_id is not None:
        query = scopes.assigned_to(query, listing.agent_id)
    if listing.tab == "unassigned":
        query = scopes.unassigned(query)
    if listing.inbox_id is not None:
        query = scopes.in_inbox(query, listing.inbox_id)
    if listing.after is not None:
        below = tuple_(literal(listing.after.last_activity_at), literal(listing.after.conversation_id))
        query = query.where(tuple_(Conversation.last_activity_at, Conversation.id) < below)
    return query.order_by(Conversation.last_activity_at.desc(), Conversation.id.desc()).limit(listing.size)


def _newest(query: Select[Message]) -> Select[Message]:
    return (
        query.where(Message.message_type != MessageType.ACTIVITY)
        .order_by(Message.created_at.desc(), Message.id.desc())
        .limit(1)
    )


def _newest_of(conversation: type[Conversation]) -> type[Message]:
    """Return the newest message of each row of `conversation`, to be joined laterally."""
    newest = _newest(select(Message).where(Message.conversation_id == conversation.id)).correlate(conversation)
    return aliased(Message, newest.lateral())


def _unread_of(conversation: type[Conversation]) -> ScalarSelect[int]:
    """Return the unread count of each row of `conversation`; the same rule as `unread.UNREAD`."""
    seen = func.coalesce(conversation.agent_last_seen_at, literal("-infinity").cast(Message.created_at.type))
    incoming = (Message.account_id == conversation.account_id, Message.message_type == MessageType.INCOMING)
    query = select(func.count()).where(Message.conversation_id == conversation.id, *incoming, Message.created_at > seen)
    return query.correlate(conversation).scalar_subquery()


def _orm_row(conversation: Conversation, last: Message | None, unread: int) -> Row:
    return Row(
        conversation.id,
        conversation.display_id,
        conversation.status,
        conversation.priority,
        conversation.last_activity_at,
        conversation.waiting_since,
        conversation.contact.name,
        conversation.inbox.name,
        conversation.assignee.name if conversation.assignee else None,
        _last(last) if last else None,
        unread,
    )


def _last(message: Message) -> LastMessage:
    preview = None if message.body is None else message.body[:PREVIEW]
    return LastMessage(message.id, message.message_type, message.created_at, preview)


def read_page_lazy(session: Session, listing: Listing) -> list[Row]:
    """Send a statement for the page, two for every row, and one for every contact, inbox and assignee not yet seen."""
    return [_row_alone(session, conversation) for conversation in session.scalars(_page(listing))]


def _row_alone(session: Session, conversation: Conversation) -> Row:
    last = session.scalar(_newest(select(Message).where(Message.conversation_id == conversation.id)))
    unread = select(_unread_of(Conversation)).select_from(Conversation).where(Conversation.id == conversation.id)
    return _orm_row(conversation, last, session.scalar(unread) or 0)


def read_page_selectin(session: Session, listing: Listing) -> list[Row]:
    """Send a statement for each kind of thing, six at most; none for assignees where nobody is assigned."""
    loads = (Conversation.contact, Conversation.inbox, Conversation.assignee)
    conversations = session.scalars(_page(listing).options(*map(selectinload, loads))).all()
    ids = [conversation.id for conversation in conversations]
    last, unread = _last_by_conversation(session, ids), _unread_by_conversation(session, ids)
    return [_orm_row(each, last.get(each.id), unread[each.id]) for each in conversations]


def _last_by_conversation(session: Session, ids: list[int]) -> Mapping[int, Message]:
    newest = _newest_of(Conversation)
    query = select(newest).select_from(Conversation).join(newest, true()).where(Conversation.id.in_(ids))
    return {message.conversation_id: message for message in session.scalars(query)}


def _unread_by_conversation(session: Session, ids: list[int]) -> Mapping[int, int]:
    query = select(Conversation.id, _unread_of(Conversation)).where(Conversation.id.in_(ids))
    return dict(session.execute(query).all())


def read_page_joined(session: Session, listing: Listing) -> list[Row]:
    """One statement. The page is a subquery: without it the rest could be looked up for every row of the tab."""
    page = aliased(Conversation, _page(listing).subquery())
    newest = _newest_of(page)
    query = (
        select(page, newest, _unread_of(page))
        .outerjoin(newest, true())
        .options(joinedload(page.contact), joinedload(page.inbox), joinedload(page.assignee))
        .order_by(page.last_activity_at.desc(), page.id.desc())
    )
    return [_orm_row(*found) for found in session.execute(query)]


READERS: Mapping[str, Callable[[Session, Listing], list[Row]]] = {
    "lazy": read_page_lazy,
    "selectin": read_page_selectin,
    "joined": read_page_joined,
}
