"""Spec files: what isolationtester prints, text for text, and the same files explored."""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo

from inboxbench.database import scratch_database
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.race.isolationtester.parser import parse_spec_file
from inboxbench.race.isolationtester.permutations import Isolation, run_spec
from inboxbench.race.isolationtester.scenario import spec_scenario
from inboxbench.server import Server
from inboxbench.server.binaries import find_bindir
from inboxbench.server.handle import Embedded

SHIPPED = Path(__file__).parents[3] / "bench" / "races"
OURS = Path(__file__).parent / "specs"
SPECS = sorted([*SHIPPED.glob("*.spec"), *OURS.glob("*.spec")])
TESTER = Path("lib/pgxs/src/test/isolation/isolationtester")


@pytest.fixture(scope="module")
def tester() -> Path:
    """The real program comes with the server's build files."""
    return find_bindir(Embedded()).parent / TESTER


# What pg_isolation_regress sets.
ENVIRONMENT = {"PGTZ": "America/Los_Angeles", "PGDATESTYLE": "Postgres, MDY"}
OPTIONS = "-c intervalstyle=postgres_verbose"


def ours(conninfo: str, path: Path) -> str:
    """Return what is printed on both standard output and error, and of a failure nothing."""
    lines: list[str] = []
    with suppress(SubjectFailed):
        run_spec(parse_spec_file(path, path.read_text(encoding="utf-8")), conninfo, lines.append, lines.append)
    return "".join(f"{line}\n" for line in lines)


def theirs(tester: Path, conninfo: str, path: Path) -> str:
    done = subprocess.run(
        [tester, make_conninfo(conninfo, options=OPTIONS, application_name=f"isolation/{path.stem}")],
        input=path.read_text(encoding="utf-8"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **ENVIRONMENT},
        text=True,
        check=False,
    )
    return done.stdout


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_output_is_isolationtesters(server: Server, tester: Path, path: Path) -> None:
    with scratch_database(server, "spec") as name:
        conninfo = server.conninfo(name)
        printed = theirs(tester, conninfo, path)
        # A spec that is written for isolation_regression is shown with that name, which the real program runs in.
        assert ours(conninfo, path) == printed.replace(name, "isolation_regression")
    assert "starting permutation" in printed


def test_there_are_specs() -> None:
    assert len(SPECS) >= 17


def explored(server: Server, source: str, invariant: str) -> Exploration:
    spec = parse_spec_file(Path("given.spec"), source)
    with scratch_database(server, "spec") as name:
        return explore(server.conninfo(name), spec_scenario(spec, query_is_empty(invariant)))


def test_a_shipped_race_is_found_among_all_schedules(server: Server) -> None:
    """The file lists one bad permutation; the explorer finds it, and all others, without being told.

    Three steps a session, and the lock's waiter starts at one of three points: six schedules, two of them serial.
    """
    source = (SHIPPED / "capacity_write_skew.spec").read_text(encoding="utf-8")
    two = source.partition("session chief")[0]
    invariant = "SELECT agent FROM held GROUP BY agent HAVING count(*) > 1"
    skewed = explored(server, two, invariant)
    assert (skewed.bad, skewed.schedules, skewed.waited) == (4, 6, 4)
    assert explored(server, two.replace("REPEATABLE READ", "READ COMMITTED"), invariant).bad == 0
    refused = explored(server, two.replace("REPEATABLE READ", "SERIALIZABLE"), invariant)
    assert (refused.bad, refused.aborted) == (0, 4)


def test_steps_that_wait_for_each_other_are_named(server: Server) -> None:
    source = """
        setup    { CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (1); }
        teardown { DROP TABLE w; }
        session s1 step b1 { BEGIN; } step l1 { SELECT id FROM w FOR UPDATE; }
        session s2 step b2 { BEGIN; } step l2 { SELECT id FROM w FOR UPDATE; } step e2 { COMMIT; }
        permutation b1 l1 b2 l2 e2
    """
    spec = parse_spec_file(Path("stuck.spec"), source)
    lines: list[str] = []
    with (
        scratch_database(server, "spec") as name,
        pytest.raises(SubjectFailed, match=r"stuck.spec: step 'l2' did not end within 1 s"),
    ):
        Isolation(spec, server.conninfo(name), lines.append, lines.append, limit_s=1.0).run()


def test_a_failing_setup_is_named(server: Server) -> None:
    spec = parse_spec_file(Path("bad.spec"), "setup { SELECT 1/0; } session s step x { SELECT 1; }")
    with (
        scratch_database(server, "spec") as name,
        pytest.raises(SubjectFailed, match=r"bad.spec: setup failed: ERROR:  division by zero"),
    ):
        run_spec(spec, server.conninfo(name), lambda _line: None)


def test_a_spec_may_name_the_database_that_it_is_written_for(server: Server) -> None:
    """The statement reaches the database of the run, and its text and messages are as the spec has them."""
    source = """
        session s
        step named   { COMMENT ON DATABASE isolation_regression IS 'x'; SELECT current_database() AS "db"; }
        step refused { CREATE DATABASE contrib_regression; }
    """
    spec = parse_spec_file(Path("named.spec"), source)
    lines: list[str] = []
    with scratch_database(server, "spec") as name:
        run_spec(spec, server.conninfo(name), lines.append)
    assert lines[3:] == [
        "step named: COMMENT ON DATABASE isolation_regression IS 'x'; SELECT current_database() AS \"db\";",
        "db                  ",
        "--------------------",
        "isolation_regression",
        "(1 row)",
        "",
        "step refused: CREATE DATABASE contrib_regression;",
        'ERROR:  database "isolation_regression" already exists',
    ]
