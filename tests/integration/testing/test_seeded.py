"""The plugin's databases and counters as another project's suite meets them, under warnings as errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.server.test_cluster import HOSTILE

from inboxbench.database import list_databases
from inboxbench.server import Server

pytest_plugins = ["pytester"]

OWN = """
import psycopg, pytest

@pytest.fixture(scope="session")
def inboxbench_prepare():
    def prepare(conninfo):
        with psycopg.connect(conninfo) as connection:
            connection.execute("CREATE TABLE note (id int PRIMARY KEY, owner int, body text)")
            connection.execute("INSERT INTO note SELECT n, n % 50, repeat('x', 200) FROM generate_series(1, 5000) AS n")
            connection.execute("CREATE INDEX note_owner_idx ON note (owner)")
    return prepare
"""
SUITE = """
from inboxbench.testing import assert_plan

OWNED = "SELECT id FROM note WHERE owner = %(owner)s ORDER BY id"
COUNT = "SELECT count(*) FROM note"

def empty(database):
    with database.connect() as connection:
        (before,) = connection.execute(COUNT).fetchone()
        connection.execute("DELETE FROM note")
    return before

def test_first(inboxbench_database):
    assert empty(inboxbench_database) == 5000

def test_second(inboxbench_database):
    assert empty(inboxbench_database) == 5000

def test_of_a_module(inboxbench_module_database):
    assert empty(inboxbench_module_database) == 5000

def test_of_the_same_module(inboxbench_module_database):
    assert empty(inboxbench_module_database) == 0

def test_plan(inboxbench_database):
    with inboxbench_database.connect() as connection:
        assert_plan(connection, OWNED, {"owner": 7}, uses="note_owner_idx")

def test_read(inboxbench_database, benchmark_query):
    with inboxbench_database.connect() as connection:
        assert len(benchmark_query(connection, OWNED, {"owner": 7})) == 100

def test_write(inboxbench_database, benchmark_query):
    with inboxbench_database.connect() as connection:
        benchmark_query(connection, "UPDATE note SET owner = 1 WHERE id <= %(last)s", {"last": 10}, rounds=3)
        assert connection.execute(COUNT + " WHERE owner = 1").fetchone() == (100,)
"""
INI = "[pytest]\nfilterwarnings = error\n"


class Suite:
    """A folder with somebody else's tests, run by a pytest of its own on the tests' server."""

    def __init__(self, pytester: pytest.Pytester, server: Server) -> None:
        self.pytester, self.server = pytester, server

    def run(self, *words: str, tests: str = SUITE, conftest: str = OWN, **settings: str) -> pytest.RunResult:
        self.pytester.makeconftest(conftest)
        self.pytester.makepyfile(test_it=tests)
        lines = "".join(f"{key} = {value}\n" for key, value in ({"inboxbench_profile": "none"} | settings).items())
        self.pytester.makeini(INI + lines)
        return self.pytester.runpytest_subprocess("--inboxbench-server", self.server.url(), "-q", *words)

    def left_behind(self) -> list[str]:
        return [info.name for info in list_databases(self.server) if info.name.startswith("inboxbench_suite")]

    def counters(self, file: str) -> dict[str, dict[str, Any]]:
        document = json.loads((self.pytester.path / file).read_text())
        return {one["name"]: one["extra_info"] for one in document["benchmarks"]}


@pytest.fixture
def suite(pytester: pytest.Pytester, server: Server, request: pytest.FixtureRequest) -> Suite:
    return Suite(pytester, server)


def test_databases_and_counters_of_ones_own(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a desk, then where CI is set: --benchmark-compare goes on working, and the counters beside it repeat."""
    quick = ["--benchmark-min-rounds=2", "--benchmark-max-time=0.01"]
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # pytest-benchmark compares nothing in one
    suite.run(*quick, "--benchmark-save=before", "--benchmark-json=before.json").assert_outcomes(passed=7)
    monkeypatch.setenv("CI", "true")
    again = suite.run("-k", "read or write", *quick, "--benchmark-compare=0001", "--benchmark-json=after.json")
    again.assert_outcomes(passed=2, deselected=5)
    again.stdout.fnmatch_lines(["*(0001_before)*"])
    before, after = suite.counters("before.json"), suite.counters("after.json")
    assert before["test_read"]["rows"] == 100
    assert 2 < before["test_read"]["buffers"] <= 210
    assert before["test_read"]["indexes"] == ["note_owner_idx"]
    assert len(before["test_read"]["plan_digest"]) == 12
    assert "wal_bytes" not in before["test_read"]
    # Ten rows of some 230 bytes, and ten entries in each of two indexes.
    wal, wal_again = (found["test_write"].pop("wal_bytes") for found in (before, after))
    assert 1_000 < wal < 10_000
    assert wal_again == pytest.approx(wal, rel=0.01 if suite.server.version >= 180000 else 0.2)
    for one in (*before.values(), *after.values()):
        del one["server_ms"]
    assert before == after
    assert suite.left_behind() == []


@pytest.mark.long
def test_the_messenger_at_head_is_the_default(suite: Suite) -> None:
    tests = """
from sqlalchemy import create_engine, text
from inboxbench.testing import assert_plan

def test_rows(inboxbench_database):
    engine = create_engine(inboxbench_database.sqlalchemy_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar() == 20000
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() >= "0040"
        assert_plan(connection, "SELECT * FROM messages WHERE id = %s", (7,), uses="messages_pkey")
    engine.dispose()
"""
    suite.run(tests=tests, conftest="", inboxbench_profile="tiny", inboxbench_seed="3").assert_outcomes(passed=1)
    assert suite.left_behind() == []


def test_what_is_wrong_is_one_line(suite: Suite) -> None:
    tests = """
def test_database(inboxbench_database): ...
def test_counters(benchmark_query): ...
"""
    ran = suite.run("-p", "no:benchmark", tests=tests, conftest="", inboxbench_profile="tny")
    ran.assert_outcomes(errors=2)
    ran.stdout.fnmatch_lines(["inboxbench: unknown profile 'tny'; did you mean 'tiny'?*"])
    ran.stdout.fnmatch_lines(["benchmark_query needs pytest-benchmark: pip install pytest-benchmark"])
    assert "Traceback" not in ran.stdout.str()


ELSEWHERE = """
import os
from inboxbench.testing import assert_race_free

def test_rows(inboxbench_database):
    assert os.environ["PGPORT"] == "6000"  # a suite's own tests see what they were started with
    with inboxbench_database.connect() as connection:
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
        assert connection.execute("SELECT count(*) FROM note").fetchone() == (5000,)

def test_race():
    setup = "CREATE TABLE t (n int); INSERT INTO t VALUES (0)"
    assert_race_free(lambda connection: connection.execute("UPDATE t SET n = n + 1"), setup=setup)
    assert os.environ["PGSERVICE"] == "/nowhere"
"""


def test_variables_of_libpq_reach_no_server_of_the_suite(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    suite.run("--inboxbench-server", "embedded", tests=ELSEWHERE).assert_outcomes(passed=2)
