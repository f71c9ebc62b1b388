"""A filled messenger at head (`filled`), and a stripped copy to try single indexes on (`lab`)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from inboxbench.bench.sets.catalogue import Catalogue, read_catalogue
from inboxbench.bench.sets.template import analyse, drop_secondary_indexes, prepared_template
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.explain import Plan, explain
from inboxbench.files import read_text
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import as_psycopg

FILL = Path(__file__).with_name("fill.sql")
LATE = Path(__file__).with_name("late.sql")


def _run(connection: Connection, path: Path, **values: int) -> None:
    """A script of several statements; its :parameters are whole numbers."""
    text = read_text(path)
    for name, value in values.items():
        text = text.replace(f":{name}", str(value))
    connection.execute(text.encode())


@pytest.fixture(scope="session")
def filled(server: Server, head_template: str) -> Iterator[str]:
    """The name of a database at head with 1,200 conversations; read it, never write."""
    with scratch_database(server, "filled", head_template) as name:
        with connect(server.conninfo(name)) as connection:
            _run(connection, FILL, conversations=1200)
        yield name


@dataclass(frozen=True)
class Lab:
    """A connection in a transaction that is rolled back, on data without secondary indexes."""

    connection: Connection
    catalogue: Catalogue
    project: Project
    values: dict[str, Any] = field(default_factory=dict)

    def give(self, *names: str) -> None:
        """Build indexes of the catalogue, for this test alone."""
        for name in names:
            self.connection.execute(self.catalogue.indexes[name].create)

    def explain(self, text: str, **values: Any) -> Plan:
        """Execute `text` (parameters as :name) and see how it went."""
        return explain(self.connection, as_psycopg(text), values).plan

    def explain_query(self, name: str, **values: Any) -> Plan:
        """A query of bench/queries."""
        return self.explain(read_text(self.project.bench / "queries" / f"{name}.sql").rstrip().rstrip(";"), **values)


@pytest.fixture(scope="session")
def _stripped(server: Server, filled: str) -> Iterator[str]:
    with prepared_template(server, filled) as name:
        yield name


@pytest.fixture(scope="session")
def _late(server: Server, head_template: str) -> Iterator[str]:
    with scratch_database(server, "late", head_template) as name:
        with connect(server.conninfo(name)) as connection:
            drop_secondary_indexes(connection)
            _run(connection, LATE)
            for table in ("conversations", "messages"):
                analyse(connection, ("public", table), freeze=True)
        yield name


def _lab(server: Server, name: str, project: Project) -> Iterator[Lab]:
    catalogue = read_catalogue(project.schema / "indexes.toml")
    settings = {"max_parallel_workers_per_gather": "0", "jit": "off"}
    with (
        connect(server.conninfo(name), autocommit=True, **settings) as connection,
        connection.transaction(force_rollback=True),
    ):
        yield Lab(connection, catalogue, project)


@pytest.fixture
def lab(server: Server, _stripped: str, project: Project) -> Iterator[Lab]:
    """The filled messenger."""
    yield from _lab(server, _stripped, project)


@pytest.fixture
def late_lab(server: Server, _late: str, project: Project) -> Iterator[Lab]:
    """One account whose rows lie at the end of the timeline that an index over all accounts walks."""
    yield from _lab(server, _late, project)


@pytest.fixture
def own_project(project: Project, tmp_path: Path) -> Project:
    """A copy of the project that a test may change."""
    for folder in (project.schema, project.bench):
        shutil.copytree(folder, tmp_path / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (project.migrations, project.seeds):
        (tmp_path / folder.name).mkdir()
    return Project(tmp_path)
