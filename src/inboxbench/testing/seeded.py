"""A seeded database for tests: made once a session, a copy of its files for each test or module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import sql

from inboxbench.bench.execute.session import SETTINGS
from inboxbench.bench.sets.template import analyse_all
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.server.environment import aside

if TYPE_CHECKING:
    from sqlalchemy import URL

Prepare = Callable[[str], object]

# Whoever connects gets the plans and counters that the gate would see; only that tests may write.
_CONDITIONS = {name: value for name, value in SETTINGS.items() if name != "default_transaction_read_only"}


@dataclass(frozen=True, slots=True)
class SeededDatabase:
    """A database that is the test's own. conninfo is for psycopg, sqlalchemy_url for create_engine."""

    server: Server = field(repr=False)
    name: str

    @property
    def conninfo(self) -> str:
        return self.server.conninfo(self.name)

    @property
    def sqlalchemy_url(self) -> URL:
        return self.server.sqlalchemy_url(self.name)

    def connect(self, *, autocommit: bool = True, **settings: str) -> Connection:
        """Return a connection of psycopg, to be closed by the caller: `with database.connect() as connection`."""
        with aside():
            return connect(self.conninfo, autocommit=autocommit, **settings)


def upgrade_to_head(project: Project) -> Prepare:
    """Return what is done with the seeded rows unless a suite says otherwise."""
    from inboxbench.migrate import runner  # noqa: PLC0415 - a suite with a history of its own needs no Alembic

    return lambda conninfo: runner.upgrade(conninfo, project)


@contextmanager
def seeded_template(
    server: Server, *, profile: str | None, seed: int, project: Project, prepare: Prepare
) -> Iterator[str]:
    """Yield the name of a database with the profile's rows (None: empty), prepared, frozen and analysed; to be cloned.

    Raises UsageError for an unknown profile; what `prepare` raises is passed on.
    """
    source = _seeded(server, profile, seed, project) if profile else None
    with scratch_database(server, "suite", source) as name:
        prepare(server.conninfo(name))
        with connect(server.conninfo(name)) as connection:
            analyse_all(connection)
        yield name


def _seeded(server: Server, profile: str, seed: int, project: Project) -> str:
    from inboxbench.seed import load_dataset  # noqa: PLC0415 - nor does an empty database need words

    return load_dataset(server, profile, seed, project=project).name


@contextmanager
def seeded_copy(server: Server, template: str) -> Iterator[SeededDatabase]:
    """Yield a copy of the template, dropped at the end of the block, whoever is still connected to it."""
    with scratch_database(server, "suite", template) as name:
        with connect(server.conninfo(name)) as connection:
            for setting, value in _CONDITIONS.items():
                statement = sql.SQL("ALTER DATABASE {} SET {} = {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)))
        yield SeededDatabase(server, name)
