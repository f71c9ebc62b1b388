"""A small office at head: inboxes, people who answer, customers; and sessions to set against each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from tests.conftest import Database
from tests.integration.race.conftest import lab, sessions

from inboxbench.database import Connection
from inboxbench.messenger.app.message import Actor

__all__ = ["lab", "sessions"]  # the fixtures of the races, for what is raced here

R = TypeVar("R")

ACCOUNT, CHAT, MAIL, ELSEWHERE = 1, 1, 2, 3
ANN, BOB, CHIEF = 1, 2, 3
IVAN, MARY = 1, 2
BY_ANN, BY_BOB, BY_IVAN = Actor("user", ANN), Actor("user", BOB), Actor("contact", IVAN)

_OFFICE = """
    INSERT INTO accounts (id, name) VALUES (1, 'Ours'), (2, 'Theirs');
    INSERT INTO users (id, account_id, name, email, role) VALUES
        (1, 1, 'Ann', 'ann@example.test', 'agent'), (2, 1, 'Bob', 'bob@example.test', 'agent'),
        (3, 1, 'Chief', 'chief@example.test', 'administrator');
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat'), (2, 1, 'Mail'), (3, 2, 'Elsewhere');
    INSERT INTO inbox_members (inbox_id, user_id) VALUES (1, 1), (2, 1), (1, 2);
    INSERT INTO contacts (id, account_id, name, email) VALUES
        (1, 1, 'Иван', 'ivan@example.test'), (2, 1, '', 'mary@example.test'), (3, 2, 'Theirs', NULL);
"""
_OPEN = """
    INSERT INTO conversations (account_id, inbox_id, contact_id, status)
    SELECT account_id, id, %s, %s FROM inboxes WHERE id = %s RETURNING id
"""


@dataclass(frozen=True)
class Office:
    """The database of a test. `watch` commits each statement: it sees what everybody sees."""

    database: Database
    watch: Connection
    stack: ExitStack = field(repr=False)

    def session(self, **settings: str) -> Connection:
        """A connection whose transactions the test ends; closed with the test."""
        opened = self.database.connect(autocommit=False, statement_timeout="30s", **settings)
        self.stack.callback(opened.close)
        return opened

    def conversation(self, *, inbox: int = CHAT, contact: int = IVAN, status: str = "open") -> int:
        """A new conversation; its id."""
        return int(self.value(_OPEN, contact, status, inbox))

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        return self.watch.execute(query.encode(), parameters or None).fetchall()

    def value(self, query: str, *parameters: Any) -> Any:
        ((value,),) = self.rows(query, *parameters)
        return value

    def execute(self, statement: str, *parameters: Any) -> None:
        self.watch.execute(statement.encode(), parameters or None)

    def state(self, conversation: int, columns: str) -> tuple[Any, ...]:
        """Columns of one conversation."""
        (row,) = self.rows(f"SELECT {columns} FROM conversations WHERE id = %s", conversation)
        return row

    def lines(self, conversation: int) -> list[str]:
        """The activity lines of a conversation, oldest first."""
        query = "SELECT body FROM messages WHERE conversation_id = %s AND message_type = 2 ORDER BY id"
        return [body for (body,) in self.rows(query, conversation)]

    def start(self, act: Callable[[], R]) -> Future[R]:
        """Run `act` in a thread, so that the test can go on while it waits for a lock."""
        executor = self.stack.enter_context(ThreadPoolExecutor(1))
        return executor.submit(act)

    def wait_until_blocked(self, waiting: Connection, by: Connection) -> None:
        """Return once the server says that `waiting` waits for a lock that `by` holds."""
        query = "SELECT %s = ANY (pg_blocking_pids(%s))"
        deadline = time.monotonic() + 30
        while not self.value(query, by.info.backend_pid, waiting.info.backend_pid):
            assert time.monotonic() < deadline, "the second session never waited for the first"
            time.sleep(0.005)


@pytest.fixture
def office(emptied_head: Database) -> Iterator[Office]:
    with emptied_head.connect() as watch, ExitStack() as stack:
        watch.execute(_OFFICE)
        yield Office(emptied_head, watch, stack)


@pytest.fixture
def db(office: Office) -> Connection:
    """The session that does things."""
    return office.session()
