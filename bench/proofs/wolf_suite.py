"""What a team that knows only pytest-benchmark would write: a benchmark a query, timed from the client.

It is run by times.py; WOLF_CONNINFO names the database, WOLF_QUERIES the queries.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from inboxbench.bench.execute.session import SETTINGS, prepared
from inboxbench.bench.workload.queries import draw_cases, read_workload
from inboxbench.database import Connection, connect
from inboxbench.project import find_project

_WORKLOAD = read_workload(find_project(), os.environ["WOLF_QUERIES"].split(","))
_NAMES = [f"{query.name} [{name}]" for query in _WORKLOAD.queries for name in query.classes]


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    with connect(os.environ["WOLF_CONNINFO"], autocommit=True, **SETTINGS) as opened:
        yield opened


@pytest.mark.parametrize("name", _NAMES)
def test_query(benchmark: BenchmarkFixture, connection: Connection, name: str) -> None:
    cases = {case.name: case for case in draw_cases(_WORKLOAD, connection, find_project()).cases}
    with prepared(connection, cases[name]) as execute:
        assert benchmark(lambda: connection.execute(execute).fetchall())
