"""A seeded messenger at head under one index set, for `pytest bench/`.

INBOXBENCH_SERVER, INBOXBENCH_PROFILE (tiny), INBOXBENCH_SEED (1) and INBOXBENCH_SET (recommended) choose what is
measured, as do --server, --profile and --set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

import pytest

from inboxbench.bench.execute.session import Probe, open_probe
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.catalogue import read_catalogue
from inboxbench.bench.sets.indexset import IndexSet, install_extensions
from inboxbench.bench.sets.template import prepared_template
from inboxbench.bench.workload.queries import Case, draw_cases, read_workload
from inboxbench.database import connect, scratch_database
from inboxbench.project import find_project
from inboxbench.seed.datasets.dataset import load_dataset
from inboxbench.server import Server, open_server

TIMEOUT_S = 60.0


def pytest_addoption(parser: pytest.Parser) -> None:
    given = os.environ.get
    with suppress(ValueError):  # tests/conftest.py has it already when both folders are named
        parser.addoption("--server", default=given("INBOXBENCH_SERVER", "embedded"), help="server spec")
    parser.addoption("--profile", default=given("INBOXBENCH_PROFILE", "tiny"), help="what is measured on")
    parser.addoption("--seed-number", default=given("INBOXBENCH_SEED", "1"), help="of the profile")
    parser.addoption("--set", default=given("INBOXBENCH_SET", "recommended"), help="index set")


def pytest_report_header(config: pytest.Config) -> str:
    return f"inboxbench: profile {config.getoption('--profile')}, index set {config.getoption('--set')}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One benchmark for each query and class of parameters."""
    if "case_name" in metafunc.fixturenames:
        queries = read_workload(find_project()).queries
        metafunc.parametrize("case_name", [f"{one.name} [{name}]" for one in queries for name in one.classes])


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with open_server(request.config.getoption("--server")) as opened:
        yield opened


@pytest.fixture(scope="session")
def index_set(request: pytest.FixtureRequest) -> IndexSet:
    return read_catalogue(find_project().schema / "indexes.toml").choose([request.config.getoption("--set")])[0]


@pytest.fixture(scope="session")
def _template(request: pytest.FixtureRequest, server: Server) -> Iterator[str]:
    project = find_project()
    profile, seed = request.config.getoption("--profile"), int(request.config.getoption("--seed-number"))
    dataset = load_dataset(server, profile, seed, at="head", project=project)
    with scratch_database(server, "bench", dataset.name) as name, prepared_template(server, name) as template:
        yield template


@pytest.fixture(scope="session")
def _cases(server: Server, _template: str, index_set: IndexSet) -> dict[str, Case]:
    project = find_project()
    with connect(server.conninfo(_template)) as connection:
        install_extensions(connection, index_set.indexes)
        drawn = draw_cases(read_workload(project), connection, project)
    return {case.name: case for case in drawn.cases}


@pytest.fixture(scope="session")
def probe(server: Server, _template: str, _cases: dict[str, Case], index_set: IndexSet) -> Iterator[Probe]:
    """A measuring session on a database with the chosen set's indexes."""
    with (
        SetBuilder(server, _template, [index_set]) as builder,
        builder.built(index_set, lambda _name: None) as (name, _built),
        open_probe(server, name, timeout_s=TIMEOUT_S) as opened,
    ):
        yield opened


@pytest.fixture
def case(case_name: str, _cases: dict[str, Case]) -> Case:
    if case_name not in _cases:
        pytest.skip("this profile has no parameters for it")
    return _cases[case_name]
