"""The pytest plugin: options and fixtures. It is loaded in every run, so it imports late."""

from __future__ import annotations

import atexit
import os
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from inboxbench.errors import InboxbenchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from inboxbench.server import Server
    from inboxbench.testing.seeded import SeededDatabase

T = TypeVar("T")


@dataclass
class Suite:
    """spec: what `--server` of the command line would say; setup, reset: scripts for tests that name none."""

    spec: str = field(default_factory=lambda: os.environ.get("INBOXBENCH_SERVER", "embedded"))
    setup: Path | None = None
    reset: Path | None = None
    _server: Server | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def server(self) -> Server:
        """Raises ServerError when it cannot be had."""
        if self._server is None:
            from inboxbench.server import open_server  # noqa: PLC0415 - a plugin is imported in every run
            from inboxbench.server.environment import aside  # noqa: PLC0415

            with aside():
                self._server = self._stack.enter_context(open_server(self.spec))
            atexit.register(self.close)
        return self._server

    def close(self) -> None:
        """Return what was started is stopped; a server of somebody's own goes on."""
        self._server = None
        self._stack.close()


SUITE = Suite()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("inboxbench", "inboxbench: races and gates on a real PostgreSQL")
    group.addoption(
        "--inboxbench-server",
        metavar="SERVER",
        help=f"embedded | bin:DIR | container[:IMAGE] | postgresql://… (default: INBOXBENCH_SERVER, else {SUITE.spec})",
    )
    parser.addini("inboxbench_setup", "SQL script for races that name no setup, from the folder of the ini file")
    parser.addini("inboxbench_profile", "rows of inboxbench_database: a profile, or none", default="tiny")
    parser.addini("inboxbench_seed", "of that profile", default="1")
    parser.addini("inboxbench_project", "folder of the project, from that of the ini file (default: the messenger)")
    parser.addini("inboxbench_reset", "SQL script that puts the rows back, for races that name no setup")


def pytest_configure(config: pytest.Config) -> None:
    if spec := config.getoption("--inboxbench-server"):
        SUITE.spec = str(spec)
    SUITE.setup = _path(config, "inboxbench_setup")
    SUITE.reset = _path(config, "inboxbench_reset")


def _path(config: pytest.Config, key: str) -> Path | None:
    name = config.getini(key)
    return (config.inipath or config.rootpath / "-").parent / str(name) if name else None


def pytest_unconfigure() -> None:
    SUITE.close()


@pytest.fixture
def assert_race_free() -> Callable[..., Any]:
    """`inboxbench.testing.assert_race_free`, on the server that `--inboxbench-server` names."""
    from inboxbench.testing import races  # noqa: PLC0415

    return races.assert_race_free


@pytest.fixture(scope="session")
def inboxbench_prepare(request: pytest.FixtureRequest) -> Callable[[str], object]:
    """Called once with the conninfo of the seeded rows, before they are copied: the project's migrations to head.

    Override it for a history or rows of your own; leave no connection open.
    """
    from inboxbench.project import find_project  # noqa: PLC0415
    from inboxbench.testing.seeded import upgrade_to_head  # noqa: PLC0415

    with _in_words():
        return upgrade_to_head(find_project(_path(request.config, "inboxbench_project")))


@pytest.fixture(scope="session")
def inboxbench_template(request: pytest.FixtureRequest, inboxbench_prepare: Callable[[str], object]) -> Iterator[str]:
    """Return the name of the database that tests get copies of."""
    from inboxbench.project import find_project  # noqa: PLC0415
    from inboxbench.testing.seeded import seeded_template  # noqa: PLC0415

    config, seed = request.config, str(request.config.getini("inboxbench_seed"))
    profile = str(config.getini("inboxbench_profile"))

    def template() -> AbstractContextManager[str]:
        if not seed.isdigit():
            raise UsageError(f"inboxbench_seed = {seed}: not a number of at least 0")
        return seeded_template(
            SUITE.server(),
            profile=None if profile == "none" else profile,
            seed=int(seed),
            project=find_project(_path(config, "inboxbench_project")),
            prepare=inboxbench_prepare,
        )

    yield from _made(template)


@pytest.fixture
def inboxbench_database(inboxbench_template: str) -> Iterator[SeededDatabase]:
    """Return a seeded database for one test, dropped after it."""
    yield from _copy(inboxbench_template)


@pytest.fixture(scope="module")
def inboxbench_module_database(inboxbench_template: str) -> Iterator[SeededDatabase]:
    """Return a seeded database that the tests of a module share: for those that only read."""
    yield from _copy(inboxbench_template)


def _copy(template: str) -> Iterator[SeededDatabase]:
    from inboxbench.testing.seeded import seeded_copy  # noqa: PLC0415

    yield from _made(lambda: seeded_copy(SUITE.server(), template))


def _made(make: Callable[[], AbstractContextManager[T]]) -> Iterator[T]:
    """Yield what `make` makes. The tests between run with libpq's variables, which are somebody's own."""
    stack = ExitStack()
    with _in_words():
        value = stack.enter_context(make())
    try:
        yield value
    finally:
        with _in_words():
            stack.close()


@contextmanager
def _in_words() -> Iterator[None]:
    """Say what is wrong with a suite's settings in one line, not forty of ours; no variable of libpq is seen within."""
    from inboxbench.server.environment import aside  # noqa: PLC0415

    try:
        with aside():
            yield
    except InboxbenchError as error:
        pytest.fail(f"inboxbench: {error}", pytrace=False)


@pytest.fixture
def benchmark_query(request: pytest.FixtureRequest) -> Callable[..., list[tuple[Any, ...]]]:
    """`benchmark_query(connection, query, parameters)`: pytest-benchmark's times, with the counters in its JSON."""
    from inboxbench.testing import statements  # noqa: PLC0415

    if not request.config.pluginmanager.hasplugin("benchmark"):
        pytest.fail("benchmark_query needs pytest-benchmark: pip install pytest-benchmark", pytrace=False)
    return partial(statements.benchmark_query, request.getfixturevalue("benchmark"))
