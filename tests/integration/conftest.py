"""The messenger at head: migrated once a session; `head` is a clone of a test's own, `emptied_head` is shared.

A clone takes a checkpoint, the shared one a few deletes: take `head` only to change what is not rows.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import Database
from tests.integration.loaded import tiny

from inboxbench.database import scratch_database
from inboxbench.migrate import runner
from inboxbench.project import Project
from inboxbench.server import Server

__all__ = ["tiny"]  # a fixture, used below tests/integration/{seed,messenger/data}

_EMPTY = """
    DELETE FROM messages;
    DELETE FROM conversations;
    DELETE FROM contact_inboxes;
    DELETE FROM contacts;
    DELETE FROM inbox_members;
    DELETE FROM inboxes;
    DELETE FROM users;
    DELETE FROM accounts;
"""


@pytest.fixture(scope="session")
def head_template(server: Server, project: Project) -> Iterator[str]:
    """The name of a database at head, with no rows; to be cloned, never to be written."""
    with scratch_database(server, "head") as name:
        runner.upgrade(server.conninfo(name), project)
        yield name


@pytest.fixture(scope="session")
def _shared_head(server: Server, head_template: str) -> Iterator[Database]:
    with scratch_database(server, "shared", head_template) as name:
        yield Database(server, name)


@pytest.fixture
def emptied_head(_shared_head: Database) -> Database:
    """The messenger at head without rows, in a database that the next test gets too."""
    with _shared_head.connect() as connection:
        connection.execute(_EMPTY)
    return _shared_head


@pytest.fixture
def head(server: Server, head_template: str) -> Iterator[Database]:
    """An empty messenger at head for one test."""
    with scratch_database(server, "test", head_template) as name:
        yield Database(server, name)
