"""A6: the conversation scopes as composable selects.

Each takes a select of conversations and narrows it, so that they chain in any order:

    assigned_to(unattended(conversations(account_id)), agent_id).order_by(Conversation.last_activity_at.desc())
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Select, false, func, or_, select

from inboxbench.messenger.models import Conversation

Conversations = Select[Conversation]


def conversations(account_id: int) -> Conversations:
    """Return every conversation of an account: what the scopes narrow."""
    return select(Conversation).where(Conversation.account_id == account_id)


def in_inbox(query: Conversations, inbox_id: int) -> Conversations:
    return query.where(Conversation.inbox_id == inbox_id)


def unassigned(query: Conversations) -> Conversations:
    """Nobody holds it."""
    return query.where(Conversation.assignee_id.is_(None))


def assigned(query: Conversations) -> Conversations:
    """Somebody holds it."""
    return query.where(Conversation.assignee_id.is_not(None))


def assigned_to(query: Conversations, agent_id: int) -> Conversations:
    """`agent_id` holds it."""
    return query.where(Conversation.assignee_id == agent_id)


def unattended(query: Conversations) -> Conversations:
    """Never answered by a person, or the customer waits again."""
    return query.where(or_(Conversation.first_reply_created_at.is_(None), Conversation.waiting_since.is_not(None)))


def resolvable_all(query: Conversations, idle: dt.timedelta) -> Conversations:
    """Open and without activity for `idle`; none at all when `idle` is zero, which is how the feature is off."""
    if idle <= dt.timedelta():
        return query.where(false())
    return query.where(Conversation.status == "open", Conversation.last_activity_at < func.now() - idle)


def resolvable_not_waiting(query: Conversations, idle: dt.timedelta) -> Conversations:
    """Narrow as `resolvable_all`, sparing the conversations whose customer waits for an answer."""
    return resolvable_all(query, idle).where(Conversation.waiting_since.is_(None))
