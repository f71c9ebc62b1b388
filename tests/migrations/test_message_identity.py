"""C2, M1, M2, M4, M5, M6, K2: keys of other systems are unique where they are present, and nothing old is lost."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.catalog import read_catalog

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]

DELIVER = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, body, {column})
    SELECT account_id, inbox_id, id, 'contact', 'incoming', 'hello', %s FROM conversations WHERE id = %s
"""


@dataclass(frozen=True)
class Key:
    """A value that gets a unique index in `revision`; duplicate makes several rows of a group share one."""

    id: str
    revision: str
    before: str
    table: str
    scope: str
    column: str
    duplicate: str


KEYS = [
    Key("C2", "0028", "0027", "conversations", "account_id", "identifier", "'slack-' || id / 40"),
    Key("M1", "0032", "0031", "messages", "conversation_id", "echo_id", "'echo-' || id % 3"),
    Key("M6", "0033", "0032", "messages", "inbox_id", "source_id", "'wamid-' || id % 5"),
    Key("K2", "0038", "0037", "contacts", "account_id", "external_id", "'crm-' || id % 9"),
]


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_duplicates_are_resolved_before_the_index_and_come_back_with_the_downgrade(messenger_at: At, key: Key) -> None:
    messenger = messenger_at(key.before)
    messenger.execute(f"UPDATE {key.table} SET {key.column} = {key.duplicate} WHERE id % 4 > 0 AND id < 300")
    before = messenger.rows(f"SELECT id, {key.scope}, {key.column}, created_at FROM {key.table} ORDER BY id")
    kept = oldest_of_each_group(before)
    lost = sum(1 for _, _, value, _ in before if value is not None) - len(kept)
    assert lost > 20

    messenger.up(key.revision)
    after = messenger.rows(f"SELECT id, {key.column} FROM {key.table} WHERE {key.column} IS NOT NULL ORDER BY id")
    assert after == sorted(kept.items())
    audit = messenger.rows(
        "SELECT row_id, kept_id, value FROM duplicate_resolutions WHERE revision = %s AND table_name = %s"
        " AND column_name = %s",
        key.revision,
        key.table,
        key.column,
    )
    values = {id_: value for id_, _, value, _ in before}
    assert len(audit) == lost
    assert all(value == values[row_id] == values[kept_id] and kept_id in kept for row_id, kept_id, value in audit)

    messenger.down(key.before)
    assert messenger.rows(f"SELECT id, {key.scope}, {key.column}, created_at FROM {key.table} ORDER BY id") == before


def oldest_of_each_group(rows: list[tuple[Any, ...]]) -> dict[int, str]:
    groups: dict[tuple[int, str], list[tuple[Any, int]]] = defaultdict(list)
    for id_, scope, value, created_at in rows:
        if value is not None:
            groups[scope, value].append((created_at, id_))
    return {min(members)[1]: value for (_, value), members in groups.items()}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.id)
def test_the_index_refuses_a_second_one(messenger_at: At, key: Key) -> None:
    messenger = messenger_at("0040")
    first, second = messenger.rows(
        f"SELECT id FROM {key.table} WHERE {key.scope} = (SELECT {key.scope} FROM {key.table} GROUP BY 1"
        " HAVING count(*) > 2 ORDER BY 1 LIMIT 1) ORDER BY id LIMIT 2"
    )
    update = f"UPDATE {key.table} SET {key.column} = 'the same' WHERE id = %s"
    messenger.execute(update, *first)
    with pytest.raises(psycopg.errors.UniqueViolation, match=f"{key.table}_.*_key"):
        messenger.execute(update, *second)
    messenger.execute(f"UPDATE {key.table} SET {key.column} = NULL WHERE id IN (%s, %s)", *first, *second)


def deliver(messenger: Messenger, column: str, statement: str, copies: int = 16) -> list[bool]:
    """The same message arrives `copies` times at one moment; who stored it."""
    start = threading.Barrier(copies)

    def one(_copy: int) -> bool:
        with psycopg.connect(messenger.conninfo, autocommit=True) as connection:
            start.wait()
            try:
                return connection.execute(statement.format(column=column).encode(), ("x-1", 5)).rowcount == 1
            except psycopg.errors.UniqueViolation:
                return False

    with ThreadPoolExecutor(copies) as pool:
        return list(pool.map(one, range(copies)))


@pytest.mark.parametrize("column", ["echo_id", "source_id"])
@pytest.mark.parametrize("ending", ["", " ON CONFLICT DO NOTHING"])
def test_a_message_delivered_many_times_at_once_is_stored_once(messenger_at: At, column: str, ending: str) -> None:
    """M1 and M6, with a plain INSERT and with ON CONFLICT."""
    messenger = messenger_at("0040")
    stored = deliver(messenger, column, DELIVER + ending)
    assert sum(stored) == 1
    assert messenger.value(f"SELECT count(*) FROM messages WHERE {column} = 'x-1'") == 1


def test_the_same_key_elsewhere_is_another_message(messenger_at: At) -> None:
    messenger = messenger_at("0040")
    ours, theirs = messenger.rows("SELECT DISTINCT ON (inbox_id) id FROM conversations ORDER BY inbox_id, id LIMIT 2")
    for column in ("echo_id", "source_id"):
        for conversation in (*ours, *theirs):
            messenger.execute(DELIVER.format(column=column), "x-2", conversation)
        assert messenger.value(f"SELECT count(*) FROM messages WHERE {column} = 'x-2'") == 2


def test_new_columns_leave_old_messages_as_they_were(messenger_at: At) -> None:
    """M2, M4, M5: no rewrite (the file stays), NULL or an empty object on old rows, and old code's INSERT works."""
    messenger = messenger_at("0030")
    node = "SELECT pg_relation_filenode('messages')"
    before = messenger.value(node)
    messenger.up("0031")
    assert messenger.value(node) == before
    assert messenger.rows(
        "SELECT DISTINCT processed_message_content, external_source_ids::text, sentiment::text FROM messages"
    ) == [(None, "{}", "{}")]
    with messenger.connect() as connection:
        definitions = {entry.name: entry.definition for entry in read_catalog(connection).of("column", "messages")}
    assert definitions["processed_message_content"] == "text"
    assert definitions["external_source_ids"] == definitions["sentiment"] == "jsonb NOT NULL DEFAULT '{}'::jsonb"
