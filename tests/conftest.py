"""Fixtures for every test: one real server a session, a database a test.

`--server` or INBOXBENCH_SERVER chooses the server; tests that need a container or a browser are skipped with a
reason where there is none, and fail instead when CI is set.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.project import Project, find_project
from inboxbench.server import Server, engine_problem, open_server

# How long an example takes says nothing on a machine that others use, too.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@dataclass(frozen=True)
class Database:
    """A scratch database of one test."""

    server: Server
    name: str

    @property
    def conninfo(self) -> str:
        return self.server.conninfo(self.name)

    def connect(self, *, autocommit: bool = True, **settings: str) -> Connection:
        return connect(self.conninfo, autocommit=autocommit, **settings)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", default=os.environ.get("INBOXBENCH_SERVER", "embedded"), help="server spec")


def pytest_report_header(config: pytest.Config) -> str:
    return f"inboxbench server: {config.getoption('--server').partition('@')[2] or config.getoption('--server')}"


def _missing(item: pytest.Item) -> str | None:
    if item.get_closest_marker("container") and (problem := engine_problem()):
        return problem
    if item.get_closest_marker("browser") and not shutil.which("chromium"):
        return "no Chromium on this machine; install the packages chromium and chromium-driver"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if problem := _missing(item):
        if os.environ.get("CI"):
            pytest.fail(problem, pytrace=False)
        pytest.skip(problem)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a user's own runs have kept is none of a test's, and the other way round."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with open_server(request.config.getoption("--server")) as opened:
        yield opened


@pytest.fixture
def database(server: Server) -> Iterator[Database]:
    with scratch_database(server, "test") as name:
        yield Database(server, name)


@pytest.fixture(scope="session")
def project() -> Project:
    return find_project()


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket; pytest's own tmp_path is not."""
    with tempfile.TemporaryDirectory(prefix="ib-", dir="/tmp") as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path
