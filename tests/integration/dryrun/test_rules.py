"""Rules on real runs: each speaks of what was bad, and is silent on the way it recommends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from random import Random
from typing import Any

import psycopg
import pytest

from inboxbench.database import connect, scratch_database
from inboxbench.dryrun.model import DryRun, Finding, Statement, Transaction
from inboxbench.dryrun.observe.observer import observed
from inboxbench.dryrun.rewrites.catalogue import rewrite
from inboxbench.dryrun.rewrites.compare import with_rewrites
from inboxbench.dryrun.rewrites.side_by_side import Trial, compare, play
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.alembic_code import as_code
from inboxbench.dryrun.under_traffic import Load
from inboxbench.server import Server
from inboxbench.traffic.engine import RequestClass

DATA = """
    CREATE TABLE customers (id bigint PRIMARY KEY, email text NOT NULL);
    INSERT INTO customers SELECT n, 'c' || n || '@example.org' FROM generate_series(1, 5000) AS n;
    CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint NOT NULL, note text, quantity int NOT NULL);
    INSERT INTO orders SELECT n, n % 5000 + 1, 'note', n % 7 + 1 FROM generate_series(1, 20000) AS n;
    CREATE INDEX orders_note_ix ON orders (note);
    CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint REFERENCES orders);
    CREATE MATERIALIZED VIEW sales AS SELECT customer_id, count(*) FROM orders GROUP BY 1;
"""
# What a transaction does (statements outside of one begin with !), and the rules that speak.
BAD: dict[str, tuple[list[str], set[str]]] = {
    "type": (["ALTER TABLE orders ALTER COLUMN quantity TYPE bigint"], {"table-rewrite"}),
    "default": (["ALTER TABLE orders ADD COLUMN token uuid DEFAULT gen_random_uuid()"], {"volatile-default"}),
    "index": (["CREATE INDEX ix ON orders (customer_id)"], {"index-not-concurrent"}),
    "rebuild": (["REINDEX TABLE orders"], {"scan-under-lock"}),
    "refresh": (["REFRESH MATERIALIZED VIEW sales"], {"refresh-not-concurrent"}),
    "fk": (
        ["ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers (id)"],
        {"foreign-key-validated"},
    ),
    "reference": (
        [
            "ALTER TABLE orders ADD COLUMN buyer bigint",
            "ALTER TABLE orders ADD CONSTRAINT buyer_fk FOREIGN KEY (buyer) REFERENCES customers (id)",
        ],
        {"foreign-key-validated", "lock-held-across-work"},
    ),
    "check": (["ALTER TABLE orders ADD CONSTRAINT ck CHECK (quantity > 0)"], {"check-validated"}),
    "null": (["ALTER TABLE orders ALTER COLUMN note SET NOT NULL"], {"not-null-scan"}),
    "unique": (["ALTER TABLE customers ADD CONSTRAINT uq UNIQUE (email)"], {"unique-built"}),
    "backfill": (
        ["ALTER TABLE orders ADD COLUMN total int", "UPDATE orders SET total = quantity * 2"],
        {"backfill-in-ddl-transaction"},
    ),
    "guarded": (
        [
            "SET LOCAL lock_timeout = '2s'",
            "ALTER TABLE orders ADD COLUMN total int NOT NULL DEFAULT 0",
            "UPDATE orders SET total = quantity * 2",
        ],
        {"backfill-in-ddl-transaction"},
    ),
    "together": (
        ["LOCK TABLE orders IN ACCESS EXCLUSIVE MODE", "UPDATE orders SET quantity = quantity * 2"],
        {"backfill-in-ddl-transaction"},
    ),
    "across": (
        ["ALTER TABLE customers ADD COLUMN c int", "CREATE INDEX ix ON orders (customer_id)"],
        {"lock-held-across-work", "index-not-concurrent"},
    ),
    "update": (["UPDATE orders SET quantity = quantity + 1"], {"unbatched-backfill"}),
    "parent": (["DROP TABLE items"], {"parent-locked"}),
    "block": (["CREATE INDEX CONCURRENTLY ix ON orders (customer_id)"], {"needs-autocommit"}),
}
_GOOD: dict[str, list[str]] = {
    "instant": ["ALTER TABLE orders ADD COLUMN c int NOT NULL DEFAULT 7"],
    "now": ["ALTER TABLE orders ADD COLUMN c timestamptz DEFAULT now()"],
    "wider": ["ALTER TABLE orders ALTER COLUMN note TYPE varchar"],
    "inline": ["ALTER TABLE orders ADD COLUMN c bigint REFERENCES customers"],
    "unchecked": ["ALTER TABLE orders ADD CONSTRAINT ck CHECK (quantity > 0) NOT VALID"],
    "new table": ["CREATE TABLE t (id int PRIMARY KEY)", "INSERT INTO t SELECT generate_series(1, 5000)",
                  "CREATE INDEX t_ix ON t (id)"],
    "reading": ["SELECT count(*) FROM orders"],
    "drop index": ["DROP INDEX orders_note_ix"],
    "parent first": ["SET LOCAL lock_timeout = '100ms'", "ALTER TABLE items DROP CONSTRAINT items_order_id_fkey"],
    "empty": ["ALTER TABLE items ADD COLUMN c int", "ALTER TABLE items ALTER COLUMN c TYPE bigint"],
}  # fmt: skip
# A valid CHECK of an earlier revision: nine static linters cry wolf here.
_BACKED = ["ALTER TABLE orders ADD CONSTRAINT filled CHECK (note IS NOT NULL) NOT VALID",
           "ALTER TABLE orders VALIDATE CONSTRAINT filled",
           "ALTER TABLE orders ALTER COLUMN note SET NOT NULL"]  # fmt: skip


def run_of(statements: tuple[Statement, ...], transactions: tuple[Transaction, ...]) -> DryRun:
    return DryRun("server", "source", "command", "2026-01-01", 1.0, (), statements, transactions)


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    with scratch_database(server, "rules") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(DATA)
        yield name


@pytest.fixture(scope="module")
def runs(server: Server, template: str) -> dict[str, DryRun]:
    """Every story, each rolled back, under one observer; the backed one commits, last."""
    stories = {name: statements for name, (statements, _) in BAD.items()} | _GOOD
    with scratch_database(server, "rules", template) as name:
        with observed(server, name) as observer, connect(server.conninfo(name)) as connection:
            for story, statements in stories.items():
                with suppress(psycopg.Error), connection.transaction(force_rollback=True):
                    for statement in statements:
                        connection.execute(f"/*{story}*/{statement}".encode())
            for statement in _BACKED:
                connection.execute(f"/*backed*/{statement}".encode())
        seen, transactions = observer.observed()
    return {
        story: run_of(tuple(one for one in seen if one.sql.startswith(f"/*{story}*/")), transactions)
        for story in (*stories, "backed")
    }


@pytest.mark.parametrize("story", BAD)
def test_what_was_bad_is_found(story: str, runs: dict[str, DryRun]) -> None:
    found = find(runs[story], Alembic())
    assert {one.rule for one in found} == BAD[story][1]
    assert all(one.what and one.instead for one in found)


@pytest.mark.parametrize("story", [*_GOOD, "backed"])
def test_what_is_safe_is_passed_over(story: str, runs: dict[str, DryRun]) -> None:
    assert runs[story].statements
    assert find(runs[story], Alembic()) == ()


def test_the_message_says_who_waits_and_what_to_paste(runs: dict[str, DryRun]) -> None:
    (found,) = find(runs["fk"], Alembic())
    assert found.what.startswith(
        "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENC… checked 20,000 rows of orders and "
        "blocked inserts, updates and deletes of "
    )
    assert " customers for " in found.what
    assert "(SHARE ROW EXCLUSIVE)" in found.what
    assert found.code == (
        "with op.get_context().autocommit_block():\n"
        '    op.execute("""ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers (id) '
        'NOT VALID""")\n'
        "with op.get_context().autocommit_block():\n"
        '    op.execute("""ALTER TABLE orders VALIDATE CONSTRAINT fk""")'
    )


REWRITTEN = ["type", "default", "index", "fk", "check", "null", "unique", "update"]


@pytest.mark.parametrize("story", REWRITTEN)
def test_a_rewrite_is_run_on_the_same_rows(story: str, server: Server, template: str) -> None:
    """Both come through, and the rewrite lets the rest of the table's work go on: told by rows, not by time."""
    (statement,) = BAD[story][0]
    steps = rewrite(statement)
    assert steps is not None
    compared = compare(server, template, Trial((Step(statement),), steps, code=as_code(steps)))
    assert compared.code == as_code(steps)
    assert compared.original.keys() == compared.rewrite.keys()
    assert compared.original["rows_locked_at_once"] == (20_000 if story == "update" else 0)
    assert compared.rewrite["rows_locked_at_once"] <= 5_000


def _nothing(_random: Random) -> dict[str, Any]:
    return {}


def test_both_are_run_beside_the_same_traffic(server: Server, template: str) -> None:
    """A lock that is kept for half a second by the statements that share its transaction, and one that is not."""
    reader = RequestClass("look", "read", 1, ("SELECT FROM orders WHERE id = 1",), _nothing)
    stale = RequestClass("stale", "write", 1, ("UPDATE orders SET gone = 1",), _nothing)
    sql = ("ALTER TABLE orders ADD COLUMN c int", "SELECT pg_sleep(0.5)")
    together, apart = (tuple(Step(one, alone=alone) for one in sql) for alone in (False, True))
    trial = Trial(together, apart)
    compared = compare(server, template, trial, Load((reader, stale), 100))
    assert compared.original["read_stalled_ms"] > 0  # one is due every 20 ms, and the lock is kept for 500
    assert compared.original["requests_failed"] > 0
    assert compared.rewrite["requests_failed"] > 0
    assert "read_stalled_ms" not in compare(server, template, trial).original


def test_the_steps_of_a_rewrite_pass_the_rules(server: Server, template: str) -> None:
    with scratch_database(server, "rules", template) as name:
        with observed(server, name) as observer, connect(server.conninfo(name)) as connection:
            for story in REWRITTEN:
                play(connection, rewrite(BAD[story][0][0]) or ())
        assert [(one.rule, one.what) for one in find(run_of(*observer.observed()), Alembic())] == []
        with connect(server.conninfo(name)) as connection:
            row = connection.execute(
                "SELECT pg_typeof(quantity)::text, quantity = quantity_old + 1, token IS NOT NULL "
                "FROM orders WHERE id = 9"
            ).fetchone()
            assert row == ("bigint", True, True)


def _with_rewrites(server: Server, template: str, of: DryRun, rule: str) -> Finding:
    """The story's one finding of `rule`, its statements as one revision."""

    @contextmanager
    def at(_: str) -> Iterator[str]:
        with scratch_database(server, "rules", template) as name:
            yield name

    statements = tuple(replace(one, revision="r1", sql=one.sql.partition("*/")[2]) for one in of.statements)
    run = run_of(statements, of.transactions)
    findings = tuple(one for one in find(run, Alembic()) if one.rule == rule)
    done = with_rewrites(replace(run, findings=findings), server, at, Alembic())
    assert done.notes == ()
    (found,) = done.findings
    return found


def test_a_split_transaction_is_run_too(server: Server, template: str, runs: dict[str, DryRun]) -> None:
    found = _with_rewrites(server, template, runs["backfill"], "backfill-in-ddl-transaction")
    assert found.compared is not None
    assert found.compared.original["rows_locked_at_once"] == 20_000
    assert found.compared.rewrite["rows_locked_at_once"] == 5_000


def test_only_what_did_work_is_rewritten_when_a_transaction_is_split(
    server: Server, template: str, runs: dict[str, DryRun]
) -> None:
    """What took a moment stays as it was written, under the lock_timeout that its author gave the transaction."""
    found = _with_rewrites(server, template, runs["guarded"], "backfill-in-ddl-transaction")
    assert found.compared is not None
    block = "with op.get_context().autocommit_block():\n    op.execute("
    lines = found.code.split("\n")
    assert lines[:4] == [
        *(block + '"""SET lock_timeout = \'2s\'""")').split("\n"),
        *(block + '"""ALTER TABLE orders ADD COLUMN total int NOT NULL DEFAULT 0""")').split("\n"),
    ]
    assert sum("WITH batch AS" in line for line in lines) == 1
    assert lines[-1] == '    op.execute("""RESET lock_timeout""")'


def test_what_belongs_together_is_not_split(server: Server, template: str, runs: dict[str, DryRun]) -> None:
    found = _with_rewrites(server, template, runs["together"], "backfill-in-ddl-transaction")
    assert found.compared is None


def test_a_foreign_key_of_a_new_column_goes_inline(server: Server, template: str, runs: dict[str, DryRun]) -> None:
    """One statement does what two did, and reads no row for it."""
    found = _with_rewrites(server, template, runs["reference"], "foreign-key-validated")
    code = "ALTER TABLE orders ADD COLUMN buyer bigint CONSTRAINT buyer_fk REFERENCES customers (id)"
    assert found.code == f'op.execute("""{code}""")'
    assert found.compared is not None
    with scratch_database(server, "rules", template) as name:
        with observed(server, name) as observer, connect(server.conninfo(name)) as connection:
            connection.execute(code)
        (statement,) = observer.observed()[0]
        assert statement.scans == ()
        assert find(run_of(*observer.observed()), Alembic()) == ()
