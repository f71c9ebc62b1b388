"""Which traffic a database gets: a file's, the messenger's own, or requests made from the schema."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from inboxbench.database import Connection
from inboxbench.dryrun.tools.revision_files import Script
from inboxbench.messenger.old_code import old_code
from inboxbench.migrate.traffic import TrafficClass
from inboxbench.traffic.file import read_traffic
from inboxbench.traffic.generated import Generated, generate
from inboxbench.traffic.request import RequestClass
from inboxbench.traffic.tables import read_tables

# The baseline's columns; a schema that has them understands the messenger's old code.
_MESSENGER = """
    SELECT count(*) = 12 FROM pg_attribute
    WHERE NOT attisdropped AND (attrelid, attname) IN (
        SELECT to_regclass(t), c FROM (VALUES
            ('conversations', 'account_id'), ('conversations', 'inbox_id'), ('conversations', 'contact_id'),
            ('conversations', 'assignee_id'), ('conversations', 'assignee_last_read_at'), ('conversations', 'status'),
            ('messages', 'conversation_id'), ('messages', 'sender_type'), ('messages', 'direction'),
            ('messages', 'body'), ('messages', 'read_at'), ('users', 'account_id')) AS known (t, c))
"""
_FILLED = "SELECT EXISTS (SELECT FROM conversations)"


def choose_traffic(
    connection: Connection, *, file: Path | None = None, first: bool = True, revisions: Sequence[Script] = ()
) -> Generated:
    """`revisions`: those to come; traffic made from the schema is for the tables that they name, if they name any.
    first: before the chain, where a request of the file must not fail yet.

    Raises UsageError for a bad file.
    """
    if file is not None:
        return Generated(read_traffic(file, connection, first=first), ())
    if _says_yes(connection, _MESSENGER) and _says_yes(connection, _FILLED):
        return Generated(messenger_traffic(connection), ())
    return generate(connection, _named(connection, revisions))


def _named(connection: Connection, revisions: Sequence[Script]) -> frozenset[str] | None:
    """Tables (schema.name) whose name stands as a word in a revision's file; None when none does."""
    words = {word for one in revisions for word in re.findall(r"\w+", one.path.read_text("utf-8", errors="replace"))}
    return frozenset(table.full_name for table in read_tables(connection) if table.name in words) or None


def messenger_traffic(connection: Connection) -> tuple[RequestClass, ...]:
    """list, read messages, post, open, assign, mark read, search: as the application was before its migrations."""
    return tuple(_request(item) for item in old_code(connection))


def _request(item: TrafficClass) -> RequestClass:
    return RequestClass(item.name, item.kind, item.rate_per_s, item.statements, item.draw)


def _says_yes(connection: Connection, question: str) -> bool:
    row = connection.execute(question.encode()).fetchone()
    return row is not None and bool(row[0])
