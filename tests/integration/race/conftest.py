"""A lab for the whole run, and sessions that a test steps by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import TypeVar

import pytest

from inboxbench.database import Connection, connect
from inboxbench.messenger.races.assignment_database import Lab, open_lab
from inboxbench.project import Project
from inboxbench.server import Server

R = TypeVar("R")


class Session:
    """One connection with a thread of its own, so that a test can go on while the session waits for a lock."""

    def __init__(self, connection: Connection, executor: ThreadPoolExecutor) -> None:
        self.connection = connection
        self.pid = connection.info.backend_pid
        self._executor = executor

    def start(self, act: Callable[[], R]) -> Future[R]:
        return self._executor.submit(act)


def wait_until_blocked(control: Connection, session: Session, by: Session) -> None:
    """Return once the server says that `session` waits for a lock that `by` holds."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        row = control.execute(
            "SELECT wait_event_type, pg_blocking_pids(pid) FROM pg_stat_activity WHERE pid = %s", (session.pid,)
        ).fetchone()
        if row and row[0] == "Lock" and by.pid in row[1]:
            return
        time.sleep(0.005)
    pytest.fail(f"session {session.pid} never waited for {by.pid}; last seen: {row}")


@pytest.fixture(scope="session")
def lab(server: Server, project: Project) -> Iterator[Lab]:
    with open_lab(server, project, agents=64) as opened:
        yield opened


@pytest.fixture
def sessions(lab: Lab) -> Iterator[tuple[Session, Session]]:
    """Two sessions whose transactions end with the test."""
    with ExitStack() as stack:
        made = []
        for _ in range(2):
            connection = connect(lab.conninfo, autocommit=False, statement_timeout="30s")
            stack.enter_context(closing(connection))
            executor = stack.enter_context(ThreadPoolExecutor(1))
            made.append(Session(connection, executor))
        yield made[0], made[1]
