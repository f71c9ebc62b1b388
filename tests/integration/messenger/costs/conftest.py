"""The labs' office, built once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from inboxbench.messenger.costs.measure import open_office
from inboxbench.project import Project
from inboxbench.server import Server


@pytest.fixture(scope="session")
def office(server: Server, project: Project) -> Iterator[str]:
    """Its name: to be cloned or read, never written."""
    with open_office(server, project) as name:
        yield name
