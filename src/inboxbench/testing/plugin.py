"""The pytest plugin: options, and `assert_race_free` as a fixture. It is loaded in every run, so it imports late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inboxbench.testing.place import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("inboxbench", "inboxbench: races and gates on a real PostgreSQL")
    group.addoption(
        "--inboxbench-server",
        metavar="SERVER",
        help=f"embedded | bin:DIR | container[:IMAGE] | postgresql://… (default: INBOXBENCH_SERVER, else {PLACE.spec})",
    )
    parser.addini("inboxbench_setup", "SQL script for races that name no setup, from the folder of the ini file")
    parser.addini("inboxbench_reset", "SQL script that puts the rows back, for races that name no setup")


def pytest_configure(config: pytest.Config) -> None:
    if spec := config.getoption("--inboxbench-server"):
        PLACE.spec = str(spec)
    PLACE.setup = _script(config, "inboxbench_setup")
    PLACE.reset = _script(config, "inboxbench_reset")


def _script(config: pytest.Config, key: str) -> Path | None:
    name = config.getini(key)
    return (config.inipath or config.rootpath / "-").parent / str(name) if name else None


def pytest_unconfigure() -> None:
    PLACE.close()


@pytest.fixture
def assert_race_free() -> Callable[..., Any]:
    """`inboxbench.testing.assert_race_free`, on the server that `--inboxbench-server` names."""
    from inboxbench.testing import races  # noqa: PLC0415

    return races.assert_race_free
