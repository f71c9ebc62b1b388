"""The messenger at head as SQLAlchemy metadata: tables, columns, defaults, checks, keys and indexes.

The migrations in ``migrations/versions`` build the same database, and so does ``schema/head.sql``; a test
compares the three. Rules that SQLAlchemy cannot declare (triggers, functions) live in the migrations alone.
Indexes carry the requirement they answer: each can be argued for, or retired, on its own.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Connection,
    DateTime,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
    event,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

Key = Annotated[int, mapped_column(BigInteger, Identity(), primary_key=True)]
Created = Annotated[dt.datetime, mapped_column(DateTime(timezone=True), server_default=text("now()"))]
Attributes = Annotated[dict[str, Any], mapped_column(JSONB, server_default=text("'{}'"))]


class Base(DeclarativeBase):
    """Names of keys follow PostgreSQL's own defaults, so that baseline.sql need not spell them out."""

    metadata = MetaData(
        naming_convention={
            "pk": "%(table_name)s_pkey",
            "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
        }
    )
    type_annotation_map = {  # noqa: RUF012  (SQLAlchemy reads this plain class attribute)
        int: BigInteger,
        str: Text,
        dt.datetime: DateTime(timezone=True),
        uuid.UUID: Uuid,
        bool: Boolean,
    }


@event.listens_for(Base.metadata, "before_create")
def _install_trigrams(_metadata: MetaData, connection: Connection, **_kw: object) -> None:
    """The trigram index of contacts (K2) names an operator class of this extension."""
    connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))


def _index(name: str, columns: str, where: str = "", **options: Any) -> Index:
    """Return an index on columns as CREATE INDEX lists them: `a, b DESC`. where: the condition of a partial one."""
    expressions = [text(column) if " " in column else column for column in columns.split(", ")]
    return Index(name, *expressions, postgresql_where=text(where) if where else None, **options)


class Account(Base):
    """A customer company; every other row belongs to one."""

    __tablename__ = "accounts"

    id: Mapped[Key]
    name: Mapped[str]
    locale: Mapped[str] = mapped_column(server_default=text("'en'"))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class User(Base):
    """An operator: an administrator sees every inbox of the account, an agent those it is a member of."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("role IN ('agent', 'administrator')", name="users_role_check"),
        _index("users_account_id_idx", "account_id"),
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    email: Mapped[str]
    role: Mapped[str] = mapped_column(server_default=text("'agent'"))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class Inbox(Base):
    """A channel customers write to."""

    __tablename__ = "inboxes"
    __table_args__ = (_index("inboxes_account_id_idx", "account_id"),)

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class InboxMember(Base):
    """An agent who works in an inbox."""

    __tablename__ = "inbox_members"
    __table_args__ = (_index("inbox_members_user_id_idx", "user_id"),)

    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    created_at: Mapped[Created]


class Contact(Base):
    """A person who writes; ``blocked`` (A4) is what muting a conversation of theirs sets."""

    __tablename__ = "contacts"
    __table_args__ = (
        _index("contacts_account_id_idx", "account_id"),
        # four columns searched at once
        _index(
            "contacts_search_trgm_idx",
            "name, email, phone_number, external_id",
            postgresql_using="gin",
            postgresql_ops=dict.fromkeys(("name", "email", "phone_number", "external_id"), "gin_trgm_ops"),
        ),
        # K2
        _index(
            "contacts_account_external_id_key", "account_id, external_id", unique=True, where="external_id IS NOT NULL"
        ),
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[str] = mapped_column(server_default=text("''"))
    email: Mapped[str | None]
    phone_number: Mapped[str | None]
    external_id: Mapped[str | None]
    blocked: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class ContactInbox(Base):
    """K1: a contact as one inbox knows it; ``source_id`` is its address there."""

    __tablename__ = "contact_inboxes"
    __table_args__ = (
        UniqueConstraint("inbox_id", "source_id", name="contact_inboxes_inbox_source_id_key"),
        _index("contact_inboxes_contact_id_idx", "contact_id"),
    )

    id: Mapped[Key]
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id", ondelete="CASCADE"))
    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id", ondelete="CASCADE"))
    source_id: Mapped[str]
    created_at: Mapped[Created]
    updated_at: Mapped[Created]


class Conversation(Base):
    """A customer's case in one inbox: what the operator's list shows."""

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("status IN ('open', 'pending', 'resolved', 'snoozed')", name="conversations_status_check"),
        CheckConstraint("rating_score BETWEEN 1 AND 5", name="conversations_rating_score_check"),
        CheckConstraint("priority BETWEEN 0 AND 3", name="conversations_priority_check"),
        _index("conversations_uuid_idx", "uuid", unique=True),
        _index("conversations_contact_id_idx", "contact_id"),
        _index("conversations_account_display_id_key", "account_id, display_id", unique=True),  # C1
        # C2
        _index(
            "conversations_account_identifier_key",
            "account_id, identifier",
            unique=True,
            where="identifier IS NOT NULL",
        ),
        # C3: longest waiting first
        _index("conversations_open_waiting_idx", "account_id, waiting_since, created_at, id", where="status = 'open'"),
        # C4
        _index("conversations_snoozed_until_idx", "snoozed_until", where="status = 'snoozed'"),
        # C7, A6: the list; assignee and inbox stand behind its order to be passed over in the index
        _index(
            "conversations_account_status_activity_idx",
            "account_id, status, last_activity_at DESC, id DESC, assignee_id, inbox_id",
            postgresql_with={"fillfactor": 70},
        ),
        # A6: an agent's list
        _index(
            "conversations_open_assignee_activity_idx",
            "account_id, assignee_id, last_activity_at DESC, id DESC",
            where="status = 'open' AND assignee_id IS NOT NULL",
        ),
        _index("conversations_open_created_idx", "account_id, created_at DESC, id DESC", where="status = 'open'"),
        _index(
            "conversations_open_priority_idx",
            "account_id, priority DESC, last_activity_at DESC, id DESC",
            where="status = 'open' AND priority IS NOT NULL",
        ),
        # A1: the queue of an inbox
        _index("conversations_queue_idx", "inbox_id, created_at, id", where="status = 'open' AND assignee_id IS NULL"),
    )

    id: Mapped[Key]
    uuid: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    display_id: Mapped[int] = mapped_column(Integer, server_default=FetchedValue())  # C1, drawn by a trigger
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    contact_inbox_id: Mapped[int | None] = mapped_column(  # K1, found or made by a trigger
        ForeignKey("contact_inboxes.id"), server_default=FetchedValue()
    )
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(server_default=text("'open'"))
    priority: Mapped[int | None] = mapped_column(SmallInteger)
    identifier: Mapped[str | None]  # C2
    assignee_assigned_at: Mapped[dt.datetime | None]
    assignee_last_read_at: Mapped[dt.datetime | None]
    agent_last_seen_at: Mapped[dt.datetime | None]  # C6
    contact_last_seen_at: Mapped[dt.datetime | None]  # C6
    waiting_since: Mapped[dt.datetime | None]  # C3
    first_reply_created_at: Mapped[dt.datetime | None]  # C5
    last_activity_at: Mapped[Created]  # C7
    snoozed_until: Mapped[dt.datetime | None]  # C4
    custom_attributes: Mapped[Attributes]  # C8
    additional_attributes: Mapped[Attributes]  # C8
    branch: Mapped[str | None]  # C10
    region: Mapped[str | None]  # C10
    rating_score: Mapped[int | None] = mapped_column(SmallInteger)  # C11
    rating_comment: Mapped[str | None]  # C11
    rated_at: Mapped[dt.datetime | None]  # C11
    created_at: Mapped[Created]
    updated_at: Mapped[Created]

    contact: Mapped[Contact] = relationship()
    inbox: Mapped[Inbox] = relationship()
    assignee: Mapped[User | None] = relationship()


class Message(Base):
    """One entry of a conversation; ``body`` is the text."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("sender_type IN ('contact', 'user', 'bot')", name="messages_sender_type_check"),
        CheckConstraint("direction IN ('incoming', 'outgoing')", name="messages_direction_check"),
        CheckConstraint("message_type BETWEEN 0 AND 3", name="messages_message_type_check"),
        CheckConstraint("char_length(body) <= 150000", name="messages_body_length_check"),  # M7
        CheckConstraint(  # M3
            "jsonb_typeof(content_attributes) = 'object'", name="messages_content_attributes_check"
        ),
        # the latest 20, unread messages, and the flood limit's count (M8)
        _index("messages_conversation_created_idx", "conversation_id, created_at DESC, id DESC"),
        # search, newest first
        _index("messages_account_created_idx", "account_id, created_at DESC, id DESC"),
        # search by words
        Index("messages_body_words_idx", text("to_tsvector('russian', body)"), postgresql_using="gin"),
        # M1
        _index(
            "messages_conversation_echo_id_key", "conversation_id, echo_id", unique=True, where="echo_id IS NOT NULL"
        ),
        # M6
        _index("messages_inbox_source_id_key", "inbox_id, source_id", unique=True, where="source_id IS NOT NULL"),
    )

    id: Mapped[Key]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    sender_type: Mapped[str]
    sender_id: Mapped[int | None]
    direction: Mapped[str]
    message_type: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))  # M9a
    content_type: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))  # M9b
    private: Mapped[bool] = mapped_column(server_default=text("false"))
    body: Mapped[str | None]
    processed_message_content: Mapped[str | None]  # M2
    content_attributes: Mapped[Attributes]  # M3
    external_source_ids: Mapped[Attributes]  # M4
    sentiment: Mapped[Attributes]  # M5
    source_id: Mapped[str | None]  # M6
    echo_id: Mapped[str | None]  # M1
    read_at: Mapped[dt.datetime | None]  # M10
    created_at: Mapped[Created]

    conversation: Mapped[Conversation] = relationship()


class ConversationCounter(Base):
    """C1: the last number an account gave out; NULL until the backfill has opened the account."""

    __tablename__ = "conversation_counters"
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    last_display_id: Mapped[int | None] = mapped_column(Integer)


class DuplicateResolution(Base):
    """A value taken off a row so that a unique index could be built; the downgrade puts it back."""

    __tablename__ = "duplicate_resolutions"

    id: Mapped[Key]
    revision: Mapped[str]
    table_name: Mapped[str]
    row_id: Mapped[int]
    kept_id: Mapped[int]
    column_name: Mapped[str]
    value: Mapped[str]
    resolved_at: Mapped[Created]


metadata = Base.metadata
