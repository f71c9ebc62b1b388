"""P2.2: the same page by the ORM, three ways, so that what each costs in statements can be seen and measured.

lazy      relationships touched in a loop: the N+1 query, a few statements for every row
selectin  a statement for the page and one for each thing looked up for it
joined    one statement: joinedload for what a row points to, a lateral join for its last message

`page.read_page` is the fourth way. All return the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import ScalarSelect, Select, func, select, true, tuple_
from sqlalchemy.orm import Session, aliased, joinedload, selectinload
from sqlalchemy.sql import literal

from inboxbench.messenger import scopes
from inboxbench.messenger.app.message import MessageType
from inboxbench.messenger.app.page import PREVIEW, LastMessage, Listing, Row
from inboxbench.messenger.models import Conversation, Message


def _page(listing: Listing) -> Select[Conversation]:
    """The conversations of the page, by the scopes (A6)."""
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
    """The newest message of each row of `conversation`, to be joined laterally."""
    newest = _newest(select(Message).where(Message.conversation_id == conversation.id)).correlate(conversation)
    return aliased(Message, newest.lateral())


def _unread_of(conversation: type[Conversation]) -> ScalarSelect[int]:
    """The unread count of each row of `conversation`; the same rule as `unread.UNREAD`."""
    seen = func.coalesce(conversation.agent_last_seen_at, literal("-infinity").cast(Message.created_at.type))
    incoming = (Message.account_id == conversation.account_id, Message.message_type == MessageType.INCOMING)
    query = select(func.count()).where(Message.conversation_id == conversation.id, *incoming, Message.created_at > seen)
    return query.correlate(conversation).scalar_subquery()


def _row(conversation: Conversation, last: Message | None, unread: int) -> Row:
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
    """A statement for the page, two for every row, and one for every contact, inbox and assignee not yet seen."""
    return [_row_alone(session, conversation) for conversation in session.scalars(_page(listing))]


def _row_alone(session: Session, conversation: Conversation) -> Row:
    last = session.scalar(_newest(select(Message).where(Message.conversation_id == conversation.id)))
    unread = select(_unread_of(Conversation)).select_from(Conversation).where(Conversation.id == conversation.id)
    return _row(conversation, last, session.scalar(unread) or 0)


def read_page_selectin(session: Session, listing: Listing) -> list[Row]:
    """A statement for each kind of thing, six at most; none for assignees where nobody is assigned."""
    loads = (Conversation.contact, Conversation.inbox, Conversation.assignee)
    conversations = session.scalars(_page(listing).options(*map(selectinload, loads))).all()
    ids = [conversation.id for conversation in conversations]
    last, unread = _last_by_conversation(session, ids), _unread_by_conversation(session, ids)
    return [_row(each, last.get(each.id), unread[each.id]) for each in conversations]


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
    return [_row(*found) for found in session.execute(query)]


READERS: Mapping[str, Callable[[Session, Listing], list[Row]]] = {
    "lazy": read_page_lazy,
    "selectin": read_page_selectin,
    "joined": read_page_joined,
}
