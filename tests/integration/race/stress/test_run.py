"""A user's own function under many workers: a racy one collides for certain, a right one never does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.database import list_databases
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.user_code import Script
from inboxbench.race.stress.run import Load, StressResult, require_kept, stress
from inboxbench.server import Server

# The sequence counts the workers that have read the stock: it is no part of a transaction, so all see it at once.
SETUP = """
    CREATE TABLE stock (id int PRIMARY KEY, left_over int NOT NULL, sold int NOT NULL DEFAULT 0);
    INSERT INTO stock VALUES (1, 1000);
    CREATE SEQUENCE readers;
    CREATE TABLE sale (buyer int PRIMARY KEY);
"""
SHOP = """
import time

def racy(connection):
    (left,) = connection.execute("SELECT left_over FROM stock WHERE id = 1").fetchone()
    connection.execute("SELECT nextval('readers')")
    while connection.execute("SELECT last_value FROM readers").fetchone()[0] < 4:
        time.sleep(0.005)
    connection.execute("UPDATE stock SET left_over = %s, sold = sold + 1 WHERE id = 1", (left - 1,))

def right(connection):
    connection.execute("UPDATE stock SET left_over = left_over - 1, sold = sold + 1 WHERE id = 1")

def keyed(connection, worker):
    connection.execute("INSERT INTO sale VALUES (%s)", (worker // 2,))

def broken(connection):
    raise RuntimeError("out of order")

def never(connection):
    connection.execute("INSERT INTO sale VALUES (NULL)")
"""
KEPT = query_is_empty("SELECT * FROM stock WHERE left_over + sold <> 1000")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A user's module in the working directory, where worker processes find it as well."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "stress_shop.py").write_text(SHOP)
    yield
    sys.modules.pop("stress_shop", None)


def run(server: Server, name: str, workers: int = 4, attempts: int = 1) -> StressResult:
    load = Load([workers], seconds=60, attempts=attempts)
    (result,) = stress(server, f"stress_shop:{name}", setup=Script(SETUP, "setup"), judge=KEPT, load=load)
    return result


@pytest.mark.usefixtures("shop")
def test_a_racy_function_is_caught(server: Server) -> None:
    """All four read before the first one writes, so three sales are lost."""
    result = run(server, "racy")
    assert (result.committed, result.workers) == (4, 4)
    assert result.broken == ("invariant: id=1, left_over=999, sold=4",)
    with pytest.raises(SubjectFailed, match="stress_shop:racy: the invariant does not hold after 4 calls by 4 workers"):
        require_kept([result])


@pytest.mark.usefixtures("shop")
def test_a_right_function_keeps_the_invariant(server: Server) -> None:
    before = [info.name for info in list_databases(server)]
    result = run(server, "right", workers=8, attempts=5)
    assert (result.committed, result.refused, result.broken, result.fairness) == (40, 0, (), 1.0)
    assert result.seconds > 0
    require_kept([result])
    assert [info.name for info in list_databases(server)] == before


@pytest.mark.usefixtures("shop")
def test_what_a_unique_key_refuses_is_counted(server: Server) -> None:
    result = run(server, "keyed")
    assert (result.committed, result.refused, result.deadlocks, result.serialization_failures) == (2, 2, 0, 0)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", r"stress_shop:broken failed in worker \d: RuntimeError: out of order"),
        ("never", "no call of 4 workers was committed and 4 were refused, so this proves nothing"),
    ],
)
def test_a_function_that_fails_is_said(server: Server, name: str, message: str) -> None:
    with pytest.raises(SubjectFailed, match=message):
        run(server, name)


def test_a_target_that_is_none_is_said_before_a_process_starts(server: Server) -> None:
    with pytest.raises(UsageError, match="cannot import no_such_module"):
        stress(server, "no_such_module:sell", setup=Script("", "setup"), judge=KEPT, load=Load([2]))
