"""The messenger at head, empty: migrated once a session, cloned for each test that asks for `head`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inboxbench.database import scratch_database
from inboxbench.migrate import runner
from inboxbench.project import Project
from inboxbench.server import Server

from ..conftest import Database


@pytest.fixture(scope="session")
def head_template(server: Server, project: Project) -> Iterator[str]:
    """The name of a database at head, with no rows; to be cloned, never to be written."""
    with scratch_database(server, "head") as name:
        runner.upgrade(server.conninfo(name), project)
        yield name


@pytest.fixture
def head(server: Server, head_template: str) -> Iterator[Database]:
    """An empty messenger at head for one test."""
    with scratch_database(server, "test", head_template) as name:
        yield Database(server, name)
