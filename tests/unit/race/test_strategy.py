"""A strategy is one file: read strictly, and the same statements for psycopg and for pgbench."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from psycopg import IsolationLevel

from inboxbench.errors import UsageError
from inboxbench.messenger.app import assignment
from inboxbench.project import Project
from inboxbench.race.strategy import Strategy, find_strategies, read_strategies
from inboxbench.sqlfile import as_psycopg

TICKETS = """\
-- title: SKIP LOCKED
-- meaning: lock the next free ticket, then write
-- safe: yes
-- why: a locked row is passed over
-- isolation: repeatable read

--- choose
SELECT id FROM tickets WHERE queue = :queue AND holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED;

--- write
UPDATE tickets SET holder = :session WHERE id = :id;
"""
SCRIPT = """\
\\set session :client_id + 1
\\set id 0
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT id FROM tickets WHERE queue = :queue AND holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED \\aset
\\if :id > 0
\\sleep 1500 us
UPDATE tickets SET holder = :session WHERE id = :id;
\\endif
COMMIT;
"""


@pytest.fixture
def tickets(tmp_path: Path) -> Path:
    """A project's folder with one strategy of its own."""
    (tmp_path / "bench" / "strategies").mkdir(parents=True)
    (tmp_path / "bench" / "strategies" / "skip.sql").write_text(TICKETS)
    return tmp_path


def test_a_file_is_a_strategy(tickets: Path) -> None:
    (strategy,) = read_strategies(Project(tickets)).values()
    assert (strategy.name, strategy.title, strategy.safe) == ("skip", "SKIP LOCKED", True)
    assert strategy.isolation is IsolationLevel.REPEATABLE_READ
    assert strategy.parameters == ("queue",)


def test_pgbench_gets_the_same_statements(tickets: Path) -> None:
    (strategy,) = read_strategies(Project(tickets)).values()
    script = strategy.pgbench_script(1.5)
    assert script.endswith(SCRIPT)
    assert "--define=queue=1 --file=skip.sql" in script
    assert "\\sleep" not in strategy.pgbench_script()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("safe: yes", "safe: perhaps", "safe: 'perhaps' is neither 'yes' nor 'no'"),
        ("repeatable read", "repeatable", "unknown isolation level 'repeatable'; did you mean 'repeatable read'"),
        ("--- write", "--- take", "expected the sections `choose` and `write`, or `take` alone"),
        ("-- why: a locked row is passed over\n", "", "key 'why' is missing"),
    ],
)
def test_a_wrong_file_is_named(tickets: Path, old: str, new: str, message: str) -> None:
    path = tickets / "bench" / "strategies" / "skip.sql"
    path.write_text(TICKETS.replace(old, new))
    with pytest.raises(UsageError, match=re.escape(message)) as raised:
        read_strategies(Project(tickets))
    assert str(path) in str(raised.value)


def test_a_project_without_strategies_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this project names no strategies: give MODULE:FUNCTION"):
        find_strategies(Project(tmp_path))


def test_an_unknown_strategy_is_named(project: Project) -> None:
    assert [strategy.name for strategy in find_strategies(project, ["naive"])] == ["naive"]
    with pytest.raises(UsageError, match="unknown strategy 'skip-lock'; did you mean 'skip-locked'"):
        find_strategies(project, ["skip-lock"])


def test_the_unsafe_ones_come_first(project: Project) -> None:
    assert [strategy.safe for strategy in find_strategies(project)] == [False, True, True, True, True, True]


def _statements(strategy: Strategy) -> list[str]:
    """A strategy's statements as the messenger writes them."""
    return [_one_line(as_psycopg(text).replace("%(session)s", "%(agent)s")) for text in strategy.statements]


def _one_line(statement: str) -> str:
    return re.sub(r"\s+", " ", statement).replace("( ", "(").replace(" )", ")").strip()


def test_the_messenger_sends_the_statements_of_its_strategies(project: Project) -> None:
    """What is explored, stressed and counted is what an application of the messenger's functions does."""
    known = read_strategies(project)
    locked, free = assignment.NEXT + " FOR UPDATE", assignment.NEXT + " FOR UPDATE SKIP LOCKED"
    expected = {
        "naive": [assignment.NEXT, assignment.OVERWRITE],
        "for-update": [locked, assignment.OVERWRITE],
        "compare-and-set": [assignment.NEXT, assignment.COMPARE_AND_SET],
        "skip-locked": [free, assignment.OVERWRITE],
        "skip-locked-one": [assignment.TAKE_NEXT],
        "serializable": [assignment.NEXT, assignment.OVERWRITE],
    }
    assert {name: _statements(strategy) for name, strategy in known.items()} == {
        name: [_one_line(statement) for statement in statements] for name, statements in expected.items()
    }


def test_a_name_comes_before_those_that_continue_it(tickets: Path) -> None:
    (tickets / "bench" / "strategies" / "skip-one.sql").write_text(TICKETS)
    (tickets / "bench" / "strategies" / "wait.sql").write_text(TICKETS.replace("safe: yes", "safe: no"))
    assert list(read_strategies(Project(tickets))) == ["wait", "skip", "skip-one"]
