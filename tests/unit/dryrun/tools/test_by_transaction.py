"""Where no version table is written, each transaction that changes something is a revision."""

from __future__ import annotations

from inboxbench.dryrun.model import Lock, Statement, Transaction
from inboxbench.dryrun.observe.sampler import Catalogue, Poll
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.tools.by_transaction import by_transaction

NOTHING = Samples(Poll(catalogues=[Catalogue(0.0, {})]))


def made(*texts: tuple[int, str]) -> list[Statement]:
    return [
        Statement(number, None, sql, 7, within, number * 10.0, 1.0) for number, (within, sql) in enumerate(texts, 1)
    ]


def test_each_transaction_is_named_by_what_it_first_changed() -> None:
    done = made(
        (1, "SET search_path = app"), (2, "SELECT now()"), (2, "CREATE TABLE a (n int);"), (2, "SELECT 1"),
        (3, "SELECT 1"), (4, "CREATE INDEX CONCURRENTLY i\nON a (n)"),
    )  # fmt: skip
    placed, revisions = by_transaction(done, [Transaction(2, 7, 20.0, 45.0, "commit")], NOTHING, 0.0)
    first, second = "1: CREATE TABLE a (n int)", "2: CREATE INDEX CONCURRENTLY i ON a (n)"
    assert [item.revision for item in placed] == [None, first, first, first, None, second]
    assert [(item.revision, item.started_ms, item.finished_ms) for item in revisions] == [
        (first, 20.0, 45.0), (second, 60.0, 61.0),
    ]  # fmt: skip


def test_rows_one_by_one_are_one_revision_and_a_function_that_locks_is_one() -> None:
    done = made(*((number, f"INSERT INTO a VALUES ({number})") for number in range(1, 5)), (5, "SELECT upgrade()"))
    lock = Lock("public.a", "table", "ACCESS EXCLUSIVE", 50.0, 1.0)
    done[-1] = Statement(5, None, "SELECT upgrade()", 7, 5, 50.0, 1.0, locks=(lock,))
    placed, revisions = by_transaction(done, [], NOTHING, 0.0)
    assert [item.revision for item in revisions] == ["1: INSERT INTO a VALUES (1)", "2: SELECT upgrade()"]
    assert [item.revision for item in placed] == [*["1: INSERT INTO a VALUES (1)"] * 4, "2: SELECT upgrade()"]
