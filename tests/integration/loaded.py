"""One loaded tiny dataset a session, for every test that only reads: two would be in the way of each other's clones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import pytest

from inboxbench.database import Connection, connect
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.profile import Profile
from inboxbench.project import Project
from inboxbench.seed import Dataset, load_dataset, read_profile
from inboxbench.server import Server


class Loaded:
    """A dataset with a connection to ask it."""

    def __init__(self, dataset: Dataset, profile: Profile, connection: Connection) -> None:
        self.dataset = dataset
        self.profile = profile
        self.connection = connection

    def row(self, query: LiteralString) -> tuple[Any, ...]:
        found = self.connection.execute(query).fetchone()
        assert found is not None
        return found

    def value(self, query: LiteralString) -> Any:
        return self.row(query)[0]


@pytest.fixture(scope="session")
def tiny(server: Server, project: Project) -> Iterator[Loaded]:
    dataset = load_dataset(server, "tiny", 1, project=project)
    loaded = Loaded(dataset, read_profile(ROW_SOURCE, project.seeds, "tiny"), connect(server.conninfo(dataset.name)))
    yield loaded
    loaded.connection.close()  # a test that clones the dataset has put another one in its place
