"""Spec files: what isolationtester prints, text for text, and the same files explored."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from inboxbench.database import scratch_database
from inboxbench.errors import SubjectFailed
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.race.isolationtester.parser import parse_spec_file
from inboxbench.race.isolationtester.permutations import Isolation, run_spec, spec_scenario
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


def ours(conninfo: str, path: Path) -> str:
    said: list[str] = []
    run_spec(parse_spec_file(path, path.read_text(encoding="utf-8")), conninfo, said.append)
    return "".join(f"{line}\n" for line in said)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_output_is_isolationtesters(server: Server, tester: Path, path: Path) -> None:
    with scratch_database(server, "spec") as name:
        conninfo = server.conninfo(name)
        theirs = subprocess.run(
            [tester, conninfo], input=path.read_text(encoding="utf-8"), capture_output=True, text=True, check=True
        )
        assert ours(conninfo, path) == theirs.stdout
    assert "starting permutation" in theirs.stdout


def test_there_are_specs() -> None:
    assert len(SPECS) >= 14


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
    with (
        scratch_database(server, "spec") as name,
        pytest.raises(SubjectFailed, match=r"stuck.spec: step 'l2' did not end within 1 s"),
    ):
        Isolation(spec, server.conninfo(name), lambda _line: None, limit_s=1.0).run()


def test_a_failing_setup_is_named(server: Server) -> None:
    spec = parse_spec_file(Path("bad.spec"), "setup { SELECT 1/0; } session s step x { SELECT 1; }")
    with (
        scratch_database(server, "spec") as name,
        pytest.raises(SubjectFailed, match=r"bad.spec: setup failed: ERROR:  division by zero"),
    ):
        run_spec(spec, server.conninfo(name), lambda _line: None)
