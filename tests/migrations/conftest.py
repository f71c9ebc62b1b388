"""The messenger filled at its baseline, or brought to any revision: built once a session, cloned for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.migrate import runner
from inboxbench.migrate.session import Listener, Settings
from inboxbench.project import Project
from inboxbench.server import Server

FILLER = Path(__file__).with_name("filler.sql")
UNHURRIED = Settings(pause_share=0)
BASELINE = ""  # a filled baseline that carries no revision yet


@dataclass(frozen=True)
class Messenger:
    """A database of one test, with the history to move it along."""

    server: Server
    project: Project
    name: str
    settings: Settings = UNHURRIED

    @property
    def conninfo(self) -> str:
        return self.server.conninfo(self.name)

    def connect(self) -> Connection:
        return connect(self.conninfo)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query.encode(), parameters or None).fetchall()

    def value(self, query: str, *parameters: Any) -> Any:
        ((value,),) = self.rows(query, *parameters)
        return value

    def execute(self, statement: str, *parameters: Any) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode(), parameters or None)

    def up(self, to: str | None = None, *, listener: Listener | None = None, **limits: float) -> runner.Run:
        settings = replace(self.settings, **limits)
        return runner.upgrade(self.conninfo, self.project, to=to, settings=settings, listener=listener)

    def down(self, to: str, *, listener: Listener | None = None) -> runner.Run:
        return runner.downgrade(self.conninfo, self.project, to=to, settings=self.settings, listener=listener)

    def current(self) -> str | None:
        return runner.current(self.conninfo)


@pytest.fixture(scope="session")
def templates(server: Server, project: Project) -> Iterator[Callable[[str], str]]:
    """Revision → name of a filled database at that revision, kept for the session."""
    made: dict[str, str] = {}
    with ExitStack() as stack:

        def template(revision: str) -> str:
            if revision not in made:
                # From the nearest one below that is there already: a test that needs 0029 need not fill 0001 to 0028.
                if revision != BASELINE:
                    template(BASELINE)
                nearest = max((known for known in made if known < revision), default=None)
                below = made[nearest] if nearest is not None else None
                name = stack.enter_context(scratch_database(server, f"filled{revision}", below))
                messenger = Messenger(server, project, name)
                if revision == BASELINE:
                    _fill(messenger)
                else:
                    messenger.up(revision)
                made[revision] = name
            return made[revision]

        yield template


def _fill(messenger: Messenger) -> None:
    with messenger.connect() as connection:
        connection.execute((messenger.project.schema / "baseline.sql").read_bytes())
        connection.execute(FILLER.read_bytes())


@pytest.fixture
def messenger_at(
    server: Server, project: Project, templates: Callable[[str], str]
) -> Iterator[Callable[[str], Messenger]]:
    """A filled messenger at a revision."""
    with ExitStack() as stack:

        def make(revision: str) -> Messenger:
            name = stack.enter_context(scratch_database(server, "test", templates(revision)))
            return Messenger(server, project, name)

        yield make


@pytest.fixture
def filled(messenger_at: Callable[[str], Messenger]) -> Messenger:
    """The filled baseline, without a revision."""
    return messenger_at(BASELINE)


@pytest.fixture
def empty(server: Server, project: Project) -> Iterator[Messenger]:
    """A database with nothing in it."""
    with scratch_database(server, "test") as name:
        yield Messenger(server, project, name)
