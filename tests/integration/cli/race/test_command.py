"""`inboxbench race` as a person meets it: output, exit codes, and what an interrupted run leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from inboxbench.cli import main
from inboxbench.database import list_databases
from inboxbench.project import find_project
from inboxbench.race.strategy import read_strategies
from inboxbench.server import Server


@dataclass(frozen=True)
class Done:
    """What a run of the command gave."""

    code: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`inboxbench race …` on the tests' server, in this process: a new one costs a second each."""

    def race(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["inboxbench", "race", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main()
        return Done(int(leaving.value.code or 0), *capsys.readouterr())

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("INBOXBENCH_SERVER", server.url())
    yield race
    signal.signal(signal.SIGTERM, before)


def ours(server: Server) -> set[str]:
    return {info.name for info in list_databases(server)}


def test_strategies_are_listed_with_their_reason(run: Run) -> None:
    done = run("strategies", "--format", "json")
    assert done.code == 0
    listed = {row["name"]: row for row in json.loads(done.stdout)}
    assert listed.keys() == read_strategies(find_project()).keys()
    assert [name for name, row in listed.items() if not row["safe"]] == ["naive"]
    assert all(row["why"] for row in listed.values())
    assert "skip-locked-one" in run("strategies").stdout


def test_stress_prints_rows_for_the_record(run: Run, server: Server) -> None:
    before = ours(server)
    done = run(
        *("stress", "--strategy", "skip-locked", "--workers", "2,3", "--conversations", "30", "--think-ms", "0"),
        *("--seconds", "30", "--format", "json"),
    )
    assert done.code == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["workers"], row["assigned"], row["doubles"]) for row in rows] == [(2, 30, 0), (3, 30, 0)]
    assert ours(server) == before


def test_stress_prints_a_table(run: Run, server: Server) -> None:
    done = run(
        *("stress", "--strategy", "compare-and-set", "--workers", "2", "--conversations", "10", "--seconds", "30"),
    )
    assert done.code == 0, done.stderr
    assert "compare-and-set" in done.stdout
    assert "Fastest safe strategy" in done.stdout


def test_bench_shows_safety_against_cost(run: Run) -> None:
    load = ("--strategy", "naive", "--strategy", "skip-locked", "--workers", "8", "--seconds", "1", "--driver", "both")
    done = run("bench", *load, "--conversations", "4000")
    assert done.code == 0, done.stderr
    assert "8 workers, 2 ms inside, pgbench" in done.stdout
    assert "8 workers, 2 ms inside, python" in done.stdout
    assert "claims took what somebody held" in done.stdout


def test_bench_prints_rows_for_the_record(run: Run) -> None:
    done = run("bench", "--strategy", "skip-locked-one", "--workers", "2", "--seconds", "1", "--format", "json")
    assert done.code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert (row["driver"], row["workers"], row["doubles"], row["times_naive"]) == ("pgbench", 2, 0, None)


def test_bench_writes_its_scripts_and_runs_nothing(run: Run, tmp_path: Path) -> None:
    done = run("bench", "--scripts", str(tmp_path), "--strategy", "naive")
    assert (done.code, done.stdout) == (0, f"{tmp_path / 'naive.sql'}\n")
    assert "\\sleep 2000 us" in (tmp_path / "naive.sql").read_text()


def test_million_writes_what_was_run_and_what_came_out(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "claims.md"
    done = run("million", "--claims", "500", "--workers", "8", "--strategy", "skip-locked", "--output", str(page))
    assert done.code == 0, done.stderr
    assert "naive (control)" in done.stdout
    text = page.read_text()
    assert "Command: `inboxbench race million --claims 500" in text
    assert "| skip-locked | 5" in text


def test_costs_are_counted_and_written_down(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "rules.md"
    done = run("costs", "--rule", "unread-look", "--executions", "5", "--output", str(page))
    assert done.code == 0, done.stderr
    assert "→ on-demand" in done.stdout
    text = page.read_text()
    assert "Command: `inboxbench race costs --rule unread-look" in text
    assert "| ✗ unread / mark-then-zero |" in text
    rows = json.loads(run("costs", "--rule", "unread-page", "--executions", "2", "--format", "json").stdout)
    assert [(row["alternative"], row["ours"], row["wal_bytes"]) for row in rows] == [
        ("on-demand", True, 0),
        ("counter", False, 0),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["costs", "--rule", "clock"], "did you mean 'clocks'?"),
        (["costs", "--output", "/nowhere/x.md"], "the folder /nowhere does not exist"),
        (["bench", "--scripts", "x", "--think-ms", "0,2"], "a script holds one application time"),
        (["million", "--strategy", "naive"], "It is the control already"),
        (["million", "--output", "/nowhere/x.md"], "the folder /nowhere does not exist"),
        (["stress", "--strategy", "skip-lock"], "unknown strategy 'skip-lock'; did you mean 'skip-locked'?"),
        (["stress", "--workers", "many"], "--workers 'many'"),
        (["stress", "--workers", "0"], "outside 1"),
        (["stress", "--think-ms", "long"], "--think-ms 'long'"),
        (["explore", "naiv"], "did you mean 'naive'?"),
        (["explore", "os:getcwd"], "must take a connection"),
        (["explore", "os.path:join"], "--setup FILE"),
        (["explore", "naive", "--schedule", "ABABBA"], "is not feasible"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_two(run: Run, server: Server, words: list[str], message: str) -> None:
    before = ours(server)
    done = run(*words)
    assert done.code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert ours(server) == before


def test_explore_says_what_breaks_and_how_to_see_it_again(run: Run, server: Server) -> None:
    found = run("explore", "naive", "--format", "json")
    assert found.code == 1
    numbers = json.loads(found.stdout)
    assert (numbers["permutations"], numbers["schedules"], numbers["bad"]) == (20, 14, 12)
    again = run("explore", "naive", "--schedule", numbers["counterexample"])
    assert again.code == 1
    assert "broken: no_double_assignment" in again.stdout
    clean = run("explore", "for-update")
    assert clean.code == 0
    assert "none of 6 feasible schedules breaks it" in clean.stdout


SETUP = "CREATE TABLE seats (id int PRIMARY KEY, holder int, sold int NOT NULL DEFAULT 0); INSERT INTO seats VALUES (1)"
CLAIM = """
def claim(connection, session):
    (holder,) = connection.execute("SELECT holder FROM seats WHERE id = 1").fetchone()
    if holder is None:
        connection.execute("UPDATE seats SET holder = %s, sold = sold + 1 WHERE id = 1", (session,))

def safe(connection, session):
    connection.execute("UPDATE seats SET holder = %s, sold = sold + 1 WHERE id = 1 AND holder IS NULL", (session,))

def slip(connection):
    raise RuntimeError("not today")
"""


@pytest.fixture
def theatre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a user's module, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "theatre.py").write_text(CLAIM)
    yield tmp_path
    sys.modules.pop("theatre", None)


def test_a_function_of_the_users_own(run: Run, theatre: Path) -> None:
    (theatre / "setup.sql").write_text(SETUP)
    (theatre / "reset.sql").write_text("UPDATE seats SET holder = NULL, sold = 0")
    options = ["--setup", "setup.sql", "--invariant", "SELECT * FROM seats WHERE sold > 1", "--format", "json"]

    def explore(name: str, *more: str) -> tuple[int, dict[str, object]]:
        done = run("explore", f"theatre:{name}", *options, *more)
        return done.code, json.loads(done.stdout or "{}")

    code, numbers = explore("claim", "--reset", "reset.sql")
    assert (code, numbers["bad"], numbers["schedules"]) == (1, 12, 14)
    keys = [
        "permutations",
        "schedules",
        "bad",
        "aborted",
        "deadlocked",
        "diverged",
        "counterexample",
        "left_behind",
        "failed_on",
        "played",
        "uncovered",
    ]
    assert list(numbers) == [*keys, "picture"]
    assert numbers["counterexample"] == "ABBBAA"
    assert explore("claim")[1] == numbers  # without a reset the set-up is built anew each time
    code, numbers = explore("safe", "--reset", "reset.sql")
    assert (code, numbers["bad"], numbers["schedules"]) == (0, 0, 4)
    assert run("explore", "theatre:slip", *options).code == 3


def test_stress_of_a_function_of_the_users_own(run: Run, theatre: Path) -> None:
    """Exit code 3 when the invariant does not hold afterwards: here the workers' seat is sold once more for certain."""
    (theatre / "setup.sql").write_text(SETUP)
    options = ["--setup", "setup.sql", "--workers", "2", "--attempts", "1", "--seconds", "60", "--format", "json"]
    kept = run("stress", "theatre:safe", *options, "--invariant", "SELECT * FROM seats WHERE sold > 1")
    assert kept.code == 0, kept.stderr
    (row,) = json.loads(kept.stdout)
    assert (row["target"], row["workers"], row["committed"], row["broken"]) == ("theatre:safe", 2, 2, [])
    broken = run("stress", "theatre:safe", *options, "--invariant", "SELECT * FROM seats WHERE sold > 0")
    assert broken.code == 3
    assert "theatre:safe: the invariant does not hold after 2 calls by 2 workers" in broken.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["theatre:safe"], "theatre:safe: name --setup FILE"),
        (["theatre:safe", "--setup", "setup.sql"], "theatre:safe: name --invariant, a query"),
        (["theatre:safe", "--strategy", "naive"], "--strategy means nothing with theatre:safe"),
        (["naive", "--attempts", "3"], "--attempts means nothing with strategies"),
    ],
)
def test_options_of_the_other_kind_of_target_are_refused(
    run: Run, theatre: Path, *, words: list[str], message: str
) -> None:
    (theatre / "setup.sql").write_text(SETUP)
    done = run("stress", *words)
    assert done.code == 2
    assert message in done.stderr


def test_without_an_invariant_serial_equivalence_judges(run: Run, theatre: Path) -> None:
    (theatre / "setup.sql").write_text(SETUP)
    found = run("explore", "theatre:claim", "--setup", "setup.sql")
    assert found.code == 1
    assert "12 of 14 schedules break serial equivalence" in found.stderr
    assert "no order of A and B gives this" in found.stdout
    assert run("explore", "theatre:safe", "--setup", "setup.sql", "--oracle", "serial").code == 0


def test_a_run_that_proves_nothing_says_so(run: Run, theatre: Path) -> None:
    (theatre / "setup.sql").write_text(SETUP)
    done = run("explore", "theatre:claim", "--setup", "setup.sql", "--preemptions", "0", "--format", "json")
    assert (done.code, json.loads(done.stdout)["schedules"]) == (0, 2)
    assert "No two sessions were ever under way at once, so this proves nothing." in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--invariant", "SELEC 1"], 2, "invariant 'SELEC 1' cannot be asked: syntax error at or near \"SELEC\""),
        (["--invariant", "last_claim_hold"], 2, "unknown invariant 'last_claim_hold'; did you mean 'last_claim_holds'"),
        (["--oracle", "invariant"], 2, "--oracle invariant needs --invariant QUERY"),
        (["--observe", "seat"], 2, "unknown table 'seat'; did you mean 'seats'"),
        (["--observe", "seats", "--invariant", "SELECT 1"], 2, "--observe names tables for --oracle serial"),
        (["--invariant", "SELECT * FROM seats"], 3, "fails already when the sessions run one after another (AAABB)"),
    ],
)
def test_an_oracle_that_cannot_judge_is_one_line(
    run: Run, theatre: Path, *, options: list[str], code: int, message: str
) -> None:
    (theatre / "setup.sql").write_text(SETUP)
    done = run("explore", "theatre:claim", "--setup", "setup.sql", *options)
    assert (done.code, done.stderr.count("\n")) == (code, 1)
    assert message in done.stderr


def test_a_spec_with_a_syntax_error_names_file_line_and_column(run: Run, theatre: Path) -> None:
    (theatre / "bad.spec").write_text("session s\nstep a { SELECT 1; }\nstepp b { SELECT 2; }\n")
    done = run("spec", "bad.spec")
    assert (done.code, done.stderr.count("\n")) == (2, 1)
    assert "bad.spec:3:1: expected a permutation or the end, found 'stepp'" in done.stderr


def test_the_other_specs_run_when_one_fails(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.spec").write_text("setup { SELECT 1/0; } session s step x { SELECT 1; }", encoding="utf-8")
    (tmp_path / "good.spec").write_text("session s step y { SELECT 2 AS two; }", encoding="utf-8")
    done = run("spec", str(tmp_path / "bad.spec"), str(tmp_path / "good.spec"))
    assert done.code == 3
    assert "two\n---\n  2\n(1 row)" in done.stdout
    assert "bad.spec: setup failed: ERROR:  division by zero" in done.stderr
    assert "1 of 2 specs did not come to their end" in done.stderr


def test_a_spec_is_explored_against_an_invariant(run: Run, theatre: Path) -> None:
    (theatre / "seat.spec").write_text(
        "setup { CREATE TABLE seat (sold int); INSERT INTO seat VALUES (0); }\nteardown { DROP TABLE seat; }\n"
        "session a\nsetup { BEGIN; }\nstep ar { SELECT sold FROM seat; }\n"
        "step aw { UPDATE seat SET sold = sold + 1; }\nstep ac { COMMIT; }\n"
        "session b\nstep bw { UPDATE seat SET sold = sold + 1; }\n"
    )
    whole = ["spec", "seat.spec", "--explore", "--format", "json", "--invariant"]
    right = run(*whole, "SELECT * FROM seat WHERE sold <> 2")
    assert (right.code, json.loads(right.stdout)["seat.spec"]["schedules"]) == (0, 4)
    wrong = run(*whole, "SELECT * FROM seat WHERE sold = 2")
    assert wrong.code == 3


def test_a_broken_setup_names_its_file_and_line(run: Run, theatre: Path) -> None:
    (theatre / "setup.sql").write_text("CREATE TABLE seats (id int);\n\nINSERT INTO seets VALUES (1);\n")
    done = run(*("explore", "theatre:claim", "--setup", "setup.sql", "--invariant", "SELECT 1"))
    assert done.code == 2
    assert 'setup.sql line 3: relation "seets" does not exist' in done.stderr


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_an_interrupted_run_leaves_nothing(server: Server, ending: signal.Signals) -> None:
    before = ours(server)
    where = ["--conversations", "100000", "--server", server.url()]
    process = subprocess.Popen(
        [sys.executable, "-m", "inboxbench", "race", "stress", "--workers", "16", "--seconds", "60", *where],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    workers = _wait_for_workers(process.pid)
    os.kill(process.pid, ending)
    assert process.wait(timeout=60) in (143, 130)
    assert ours(server) == before
    _ended, alive = psutil.wait_procs(workers, timeout=10)  # they end as they notice, a moment later on a busy machine
    assert alive == []


def _wait_for_workers(pid: int) -> list[psutil.Process]:
    """The worker processes, once there are any."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if children := psutil.Process(pid).children():
            return children
        time.sleep(0.05)
    pytest.fail("no worker process was ever started")
