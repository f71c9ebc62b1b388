"""A session of the online operations over a scratch database, with everything it reports kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from inboxbench.migrate.session import Event, Session, Settings, StepStarted

if TYPE_CHECKING:
    from tests.conftest import Database

REVISION = "0099"


@dataclass
class Events:
    """A listener that remembers."""

    seen: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> None:
        self.seen.append(event)

    @property
    def steps(self) -> list[str]:
        return [event.text for event in self.seen if isinstance(event, StepStarted)]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def db(database: Database, events: Events) -> Iterator[Session]:
    """As a revision gets it: short patience, no rest between batches. One table `things` of 1000 rows."""
    with database.connect(application_name="inboxbench migrate") as connection:
        connection.execute("CREATE TABLE things (id bigint PRIMARY KEY, a int, b text, created_at timestamptz)")
        connection.execute(
            """INSERT INTO things SELECT n, n % 10, 'thing ' || n, timestamptz '2025-01-01' + n * interval '1 hour'
               FROM generate_series(1, 1000) n"""
        )
        settings = Settings(lock_timeout_ms=50, lock_budget_s=0.5, pause_share=0)
        yield Session(connection, REVISION, settings, events)
