"""`assert_race_free` as another project's test suite meets it: found by pytest, on a real server."""

from __future__ import annotations

import subprocess
import sys

import pytest

from inboxbench.database import list_databases
from inboxbench.server import Server

pytest_plugins = ["pytester"]

SUITE = """
from pathlib import Path
import pytest

SETUP = "CREATE TABLE seats (id int PRIMARY KEY, holder int, sold int NOT NULL); INSERT INTO seats VALUES (1, NULL, 0)"
RESET = "UPDATE seats SET holder = NULL, sold = 0"
SOLD_TWICE = "SELECT id, sold FROM seats WHERE sold > 1"

def claim(connection, session):
    (holder,) = connection.execute("SELECT holder FROM seats WHERE id = 1").fetchone()
    if holder is None:
        connection.execute("UPDATE seats SET holder = %s, sold = sold + 1 WHERE id = 1", (session,))
    return holder is None

def safe(connection, session):
    statement = "UPDATE seats SET holder = %s, sold = sold + 1 WHERE id = 1 AND holder IS NULL"
    return connection.execute(statement, (session,)).rowcount == 1

def release(connection):
    connection.execute("UPDATE seats SET holder = NULL, sold = 0 WHERE id = 1")

def look(connection):
    connection.execute("SELECT 1")

"""


@pytest.fixture
def suite(pytester: pytest.Pytester, server: Server) -> Suite:
    return Suite(pytester, server)


class Suite:
    """A folder with tests of somebody else's, run by a pytest of its own on the tests' server."""

    def __init__(self, pytester: pytest.Pytester, server: Server) -> None:
        self.pytester = pytester
        self.server = server

    def run(self, tests: str, *words: str, **settings: str) -> pytest.RunResult:
        self.pytester.makepyfile(SUITE + tests)
        lines = "\n".join(f"{key} = {value}" for key, value in settings.items())
        self.pytester.makeini(f"[pytest]\n{lines}\n")
        return self.pytester.runpytest_subprocess("--inboxbench-server", self.server.url(), "-q", *words)


def test_a_race_is_drawn_so_that_a_newcomer_understands(suite: Suite) -> None:
    ran = suite.run("""
def test_it(assert_race_free):
    assert_race_free(claim, sessions=2, invariant=SOLD_TWICE, setup=SETUP, reset=RESET)
""")
    ran.assert_outcomes(failed=1)
    said = [line.removeprefix("E").strip() for line in ran.outlines]
    text = "\n".join(said)
    assert "claim is not race-free: 12 of 14 possible schedules of 2 sessions at READ COMMITTED break it." in text
    assert "SELECT holder FROM seats WHERE id = 1\n→ holder=NULL\n⚠ stale: after 4 (B) it is holder=1\n" in text
    assert "✎ seats id=1: sold 1 → 2, holder 1 → 0" in text
    assert "✓ with FOR UPDATE on step 1: 0 of 6 at READ COMMITTED" in text
    assert "broken: invariant: id=1, sold=2" in text
    assert "Lock what you read (SELECT … FOR UPDATE)" in text
    assert "Schedule: ABBBAA" in text
    drawn = text.partition("short test summary info")[0]  # which repeats the whole message where CI is set
    assert len([line for line in drawn.splitlines() if line[:1].isdigit()]) == 6


def test_what_is_safe_passes_with_its_counts(suite: Suite) -> None:
    suite.run("""
from inboxbench.testing import assert_race_free

def test_imported():
    found = assert_race_free(safe, invariant=SOLD_TWICE, setup=SETUP, reset=RESET)
    assert (found.schedules, found.bad, found.waited) == (4, 0, 2)

def test_three(assert_race_free):
    assert assert_race_free(safe, sessions=3, setup=SETUP, reset=RESET).schedules == 42

def test_levels(assert_race_free):
    assert assert_race_free(claim, setup=SETUP, reset=RESET, level="ser").aborted == 12

def test_two_functions(assert_race_free):
    assert assert_race_free([safe, release], setup=SETUP, reset=RESET).schedules == 4

def test_deaths(assert_race_free):
    assert assert_race_free(safe, setup=SETUP, reset=RESET, deaths=1).schedules > 4
""").assert_outcomes(passed=5)


def test_without_an_invariant_serial_equivalence_judges(suite: Suite) -> None:
    ran = suite.run("""
def test_it(assert_race_free):
    assert_race_free(claim, setup=SETUP)
""")
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*no order of A and B gives this; A, then B would: return False from B, not True*"])


def test_scripts_may_be_files_named_once(suite: Suite) -> None:
    suite.pytester.path.joinpath("rows.sql").write_text(
        "CREATE TABLE seats (id int PRIMARY KEY, holder int, sold int NOT NULL); INSERT INTO seats VALUES (1, NULL, 0);"
    )
    suite.pytester.path.joinpath("again.sql").write_text("UPDATE seats SET holder = NULL, sold = 0")
    suite.run(
        """
def test_the_suites(assert_race_free):
    assert_race_free(safe, invariant=SOLD_TWICE)

def test_by_path(assert_race_free):
    assert_race_free(safe, setup=Path(__file__).with_name("rows.sql"), reset="again.sql")
""",
        inboxbench_setup="rows.sql",
        inboxbench_reset="again.sql",
    ).assert_outcomes(passed=2)


def test_what_cannot_be_played_is_one_line(suite: Suite) -> None:
    before = {info.name for info in list_databases(suite.server)}
    ran = suite.run("""
def raising(connection):
    raise ValueError("no such agent")

def test_no_setup(assert_race_free):
    assert_race_free(claim)

def test_raising(assert_race_free):
    assert_race_free(raising, setup=SETUP)

def test_nothing_overlaps(assert_race_free):
    assert_race_free(claim, setup=SETUP, preemptions=0)

def test_level(assert_race_free):
    assert_race_free(claim, setup=SETUP, level="serial")

def test_setup(assert_race_free):
    assert_race_free(claim, setup="CREATE TABLE a (id int);\\nSELECT * FROM b")
""")
    ran.assert_outcomes(failed=5)
    text = ran.stdout.str()
    for message in (
        "UsageError: assert_race_free(claim) needs setup=…, SQL or the path of a script",
        "SubjectFailed: session A raised ValueError: no such agent",
        "RaceFoundError: claim: this proves nothing: in 2 schedules no two sessions were under way at once.",
        "UsageError: level 'serial': use rc, rr or ser",
        'UsageError: setup line 2: relation "b" does not exist',
    ):
        assert message in text
    assert "src/inboxbench" not in text  # no frames of ours between the reader and the message
    assert {info.name for info in list_databases(suite.server)} == before


def test_loading_the_plugin_imports_nothing_else() -> None:
    """It is loaded in every run of pytest, by everybody who has inboxbench installed."""
    program = (
        "import sys, pytest; before = set(sys.modules); import inboxbench.testing.plugin;"
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('inboxbench')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert {"psycopg", "sqlalchemy", "greenlet", "numpy", "click"} & set(loaded.split()) == set()
