"""What rules ask of a run, where a wrong answer would be a false alarm or a silence."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import registry

from inboxbench.dryrun.model import ClassSummary, DryRun, Lock, Problem, Scan, Stall, Statement, Transaction
from inboxbench.dryrun.more import More, Schema
from inboxbench.dryrun.observe.log_statements import LONGEST_VALUE, read_drafts
from inboxbench.dryrun.observe.server_log import Line
from inboxbench.dryrun.rewrites.catalogue import rewrite, with_references
from inboxbench.dryrun.rewrites.operation import read_operation
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.stalls.lock_waits import DEADLOCK, Waits
from inboxbench.dryrun.stalls.summary import summarise
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.alembic_code import as_code
from inboxbench.sqltree.tokens import inlined, placeholders
from inboxbench.traffic.engine import Answer, RequestClass, Traffic

_POSTGRES = registry.load("postgresql")()


def _run(*sql: str, transactions: tuple[int, ...] | None = None, traffic: tuple[ClassSummary, ...] = ()) -> DryRun:
    numbers = transactions or (1,) * len(sql)
    statements = tuple(
        Statement(n, "r1", text, 7, transaction, 10.0 * n, 5.0)
        for n, (text, transaction) in enumerate(zip(sql, numbers, strict=True), start=1)
    )
    return DryRun("18", "shop", "alembic", "2026-11-23", 100.0, (), statements, (), traffic)


@pytest.mark.parametrize(
    ("before", "same", "guarded"),
    [
        ("SET lock_timeout = '100ms'", False, True),
        ("set session LOCK_TIMEOUT to 100", False, True),
        ("SET LOCAL lock_timeout = '100ms'", True, True),
        ("SET LOCAL lock_timeout = '100ms'", False, False),
        ("SELECT set_config('lock_timeout', '100ms', false)", False, True),
        ("SELECT set_config('lock_timeout', $1, true)", True, True),
        ("SELECT set_config('lock_timeout', $1, true)", False, False),
        ("SELECT set_config('lock_timeout', '0', false)", False, False),
        ("SHOW lock_timeout", True, False),
        ("SET lock_timeout = 0", True, False),
        ("SET lock_timeout TO DEFAULT", True, False),
        ("SET lock_timeout = '0ms'", True, False),
    ],
)
def test_a_lock_timeout_guards_as_long_as_it_lasts(before: str, same: bool, guarded: bool) -> None:
    run = _run(before, "ALTER TABLE orders ADD c int", transactions=(1, 1 if same else 2))
    assert Facts(run, Alembic()).guarded(run.statements[1]) is guarded


def test_a_key_is_never_guessed_where_keys_are_known() -> None:
    statement = Statement(1, "r1", "UPDATE made SET a = 1", 7, 1, 0.0, 5.0,
                          locks=(Lock("public.made", "table", "ROW EXCLUSIVE", 0.0, 5.0),))  # fmt: skip
    run = DryRun("18", "shop", "alembic", "2026-11-23", 1.0, (), (statement,), ())
    known = DryRun(
        "18", "shop", "alembic", "2026-11-23", 1.0, (), (statement,), (), more=More(Schema({"public.t": "id"}))
    )
    assert (Facts(run, Alembic()).key(statement), Facts(known, Alembic()).key(statement)) == ("id", None)


def test_a_deadlock_belongs_to_the_statement_that_its_cycle_names() -> None:
    """Two statements begin alike; the cycle tells which by its number."""
    cycle = "`read` waits for ACCESS SHARE on public.b, which statement 2 (DROP TABLE a…) has"
    felt = ClassSummary("read", "read", 9, 1.0, 2.0, 3.0, 0.0, errors=1, deadlocks=1, deadlock_cycle=cycle)
    (found,) = find(_run("DROP TABLE a, c", "DROP TABLE a, b", traffic=(felt,)), Alembic())
    assert (found.rule, found.statement) == ("deadlock", 2)


def test_who_was_slow_without_a_lock_in_the_way_is_quoted_in_no_finding_about_a_lock() -> None:
    slow, waited = Stall(1.0, 900.0, 1), Stall(1.0, 80.0, 1, "public.a", "ACCESS SHARE", "ACCESS EXCLUSIVE")
    felt = ClassSummary("read", "read", 9, 1.0, 2.0, 3.0, 0.0, stalls=(slow, waited))
    run = _run("DROP TABLE a", traffic=(felt,))
    facts = Facts(run, Alembic())
    assert facts.worst_stall(*run.statements) == ("read", waited)
    none = replace(run, traffic=(replace(felt, stalls=(slow,)),))
    assert Facts(none, Alembic()).worst_stall(*run.statements) is None


def test_what_fires_no_event_trigger_has_the_lock_timeout_of_its_session() -> None:
    run = _run("LOCK TABLE orders", "ALTER TABLE orders ADD c int", "TRUNCATE orders")
    told = tuple(replace(one, lock_timeout_ms=100.0 if one.number == 2 else None) for one in run.statements)
    assert [Facts(replace(run, statements=told), Alembic()).guarded(one) for one in told] == [True, True, True]
    assert not Facts(run, Alembic()).guarded(run.statements[0])


_GONE = 'column "note" does not exist'
_TWICE = 'duplicate key value violates unique constraint "{}"'


@pytest.mark.parametrize(
    ("problem", "spoken"),
    [
        (Problem("42703", _GONE, 1, 90.0), True),
        (Problem("42703", _GONE, 1, -5.0), False),
        (Problem("23505", _TWICE.format("orders_pkey"), 1, 90.0), False),
        (Problem("23505", _TWICE.format("orders_note_key"), 1, 90.0), True),
        (Problem("23505", _TWICE.format("once"), 1, 90.0), True),
        (Problem("23502", 'null value in column "a" of relation "orders" violates not-null constraint', 1, 90.0), True),
        (Problem("55P03", "canceling statement due to lock timeout", 1, 90.0), False),
        (Problem("40P01", "deadlock detected", 1, 90.0), False),
        (Problem("23514", 'new row for "orders" violates check constraint "orders_n_check"', 1, 90.0), False),
        (Problem("P0001", "no stock", 1, 90.0), False),
    ],
)
def test_old_code_breaks_by_what_the_chain_did(problem: Problem, spoken: bool) -> None:
    """Not by another request, and not before."""
    felt = ClassSummary("order", "write", 9, 1.0, 2.0, 3.0, 0.0, errors=1, problems=(problem,))
    chain = ("ALTER TABLE orders ADD UNIQUE (note)", "ALTER TABLE orders ADD CONSTRAINT once UNIQUE (a)")
    run = _run(*chain, traffic=(felt,))
    locks = (Lock("public.orders", "table", "ACCESS EXCLUSIVE", 0.0, 1.0),)
    run = replace(run, statements=tuple(replace(one, locks=locks) for one in run.statements))
    assert ("old-code-breaks" in {one.rule for one in find(run, Alembic())}) is spoken


def test_the_first_error_of_old_code_is_not_hidden_by_a_deadlock() -> None:
    item = RequestClass("read", "read", 1, ("SELECT 1",), lambda _random: {})
    traffic = Traffic((item,), 1.0)
    for due, error, state in ((0.0, "deadlock detected", DEADLOCK), (1.0, 'column "a" does not exist', "42703")):
        traffic.answers.append(Answer("read", due, due, due + 1, 7, error, state))
    (felt,) = summarise(traffic, Waits(), (), 0.0)
    assert (felt.errors, felt.deadlocks, felt.first_error) == (2, 1, 'column "a" does not exist')
    assert [(one.state, one.requests, one.at_ms) for one in felt.problems] == [(DEADLOCK, 1, 1.0), ("42703", 1, 2.0)]


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE t SET a = $1", True),
        ("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT $1'", False),
        ("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS $body$ SELECT $1 $body$", False),
        ("CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS $$ SELECT $1 $$", False),
        ("UPDATE t SET a = 'it''s $1' WHERE b = $2", True),
    ],
)
def test_values_are_placeholders_outside_of_literals(sql: str, values: bool) -> None:
    assert bool(placeholders(sql)) is values


def test_rules_read_a_long_chain_in_no_time() -> None:
    """Ten thousand batches, each in a transaction of its own: by pairs this would take minutes."""
    many = 10_000
    batches = (f"UPDATE orders SET note = '' WHERE id BETWEEN {n} AND {n + 9}" for n in range(many))
    run = _run(*batches, transactions=tuple(range(many)))
    locks = (Lock("public.orders", "table", "ROW EXCLUSIVE", 0.0, 1.0),)
    assert find(replace(run, statements=tuple(replace(one, locks=locks) for one in run.statements)), Alembic()) == ()


def test_values_take_the_place_of_placeholders_alone() -> None:
    values = {"1": "'it''s'", "2": "NULL", "10": "'7'"}
    assert inlined("UPDATE t SET a = $1::TEXT, b = $2, c = '$1' || $10", values) == (
        "UPDATE t SET a = 'it''s'::TEXT, b = NULL, c = '$1' || '7'"
    )


def test_a_value_that_was_cut_short_is_none() -> None:
    long = "x" * LONGEST_VALUE
    said = (
        ("LOG", "execute <unnamed>: UPDATE t SET a = $1, b = $2"),
        ("DETAIL", f"Parameters: $1 = '{long}...', $2 = '7'"),
    )
    (draft,) = read_drafts(Line(1.0, 7, "3/1", "shop", "alembic", level, text) for level, text in said)
    assert draft.values == {"2": "'7'"}
    assert placeholders(inlined(draft.sql, draft.values))


def test_values_of_parameters_stay_apart_from_the_text() -> None:
    said = {"LOG": "execute <unnamed>: UPDATE shop SET conversion_number = $1", "DETAIL": "Parameters: $1 = 'secret'"}
    (draft,) = read_drafts(Line(1.0, 7, "3/1", "shop", "alembic", level, text) for level, text in said.items())
    assert draft.sql == "UPDATE shop SET conversion_number = $1"
    stamp = {"LOG": "execute x: UPDATE alembic_version SET version_num=$1", "DETAIL": "Parameters: $1 = 'b2'"}
    (draft,) = read_drafts(Line(1.0, 7, "3/1", "s", "a", level, text) for level, text in stamp.items())
    assert (draft.sql, draft.values) == ("UPDATE alembic_version SET version_num=$1", {"1": "'b2'"})


@pytest.mark.parametrize(
    "sql",
    [
        'UPDATE orders SET meta = \'{"a":1, "b": {}}\'::jsonb',
        "UPDATE orders SET note = regexp_replace(note, '(.)', '\\1\\n')",
        'UPDATE orders SET "Note" = a[:2] WHERE "Done"',
    ],
)
def test_the_code_to_paste_says_what_the_statement_said(sql: str) -> None:
    """It compiles, and what reaches the driver is the statement: no braces, backslashes or parameters are lost."""
    steps = rewrite(sql) or ()
    said: list[str] = []

    class Rows:
        def execute(self, batch: sa.TextClause, _values: object) -> Rows:
            assert set(batch.compile().params) <= {"last"}
            said.append(str(batch.compile(dialect=_POSTGRES)))
            return self

        def scalar(self) -> None:
            return None

    context = SimpleNamespace(autocommit_block=nullcontext)
    op = SimpleNamespace(get_bind=Rows, get_context=lambda: context)
    exec(as_code(steps), {"op": op, "sa": sa})  # noqa: S102 - what users paste
    (step,) = steps
    assert said == [step.sql.replace("{after}", "").replace("%", "%%")]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE orders -- stale ones\nSET note = '' WHERE stale",
        "UPDATE orders SET note = E'it\\'s' WHERE note = ' WHERE '",
        "UPDATE ONLY orders SET note = ''",
        "ALTER TABLE ONLY orders ALTER COLUMN note SET NOT NULL",
        "CREATE INDEX ix ON ONLY orders (note)",
        "UPDATE orders SET note = c.name FROM customers c WHERE c.id = orders.customer_id",
        "UPDATE orders SET note = (SELECT 1 WHERE true",
    ],
)
def test_what_cannot_be_read_for_sure_is_left_as_it_is(sql: str) -> None:
    assert read_operation(sql) is None


def test_the_where_of_a_backfill_is_its_own() -> None:
    """Not one of a query within, nor a word of a literal; and what is quoted keeps its line ends."""
    one = read_operation(
        "UPDATE orders\n SET total = (SELECT t FROM (SELECT sum(p) AS t FROM items) s WHERE s.t > 0),\n"
        "  note = 'Dear Sir,\n\n  yours WHERE  ever' WHERE total\n IS NULL"
    )
    assert one is not None
    assert one.where == "total IS NULL"
    assert one.rest.startswith("total = (SELECT t FROM (SELECT sum(p) AS t FROM items) s WHERE s.t > 0), note = 'Dear")
    assert "Dear Sir,\n\n  yours WHERE  ever'" in one.rest
    (step,) = rewrite("UPDATE orders SET total = (SELECT 1 FROM items WHERE true)", "id") or ()
    assert step.sql.endswith(
        "SET total = (SELECT 1 FROM items WHERE true) WHERE id IN (SELECT id FROM batch)) "
        "SELECT id FROM batch ORDER BY id DESC LIMIT 1"
    )


@pytest.mark.parametrize("sql", ["UPDATE orders SET id = id + 1000", 'UPDATE orders SET n = 1, ("ID", id) = (1, 2)'])
def test_no_batches_go_by_a_key_that_they_change(sql: str) -> None:
    assert rewrite(sql, "id") is None
    assert rewrite(sql, "number") is not None


def test_a_message_of_the_server_quotes_no_value() -> None:
    said = (
        ("LOG", "execute x: UPDATE orders SET n = $1::int, note = $2"),
        ("DETAIL", "Parameters: $1 = '4111-1111', $2 = 'it''s'"),
        ("ERROR", 'invalid input syntax for type integer: "4111-1111"'),
    )
    (draft,) = read_drafts(Line(1.0, 7, "3/1", "s", "a", level, text) for level, text in said)
    assert draft.error == 'invalid input syntax for type integer: "$1"'


def _locked(run: DryRun, *locks: Lock) -> DryRun:
    return replace(run, statements=tuple(replace(one, locks=locks) for one in run.statements))


_EXCLUSIVE = Lock("public.orders", "table", "ACCESS EXCLUSIVE", 0.0, 9.0)


@pytest.mark.parametrize(
    ("sql", "spoken"),
    [
        ("DROP TABLE items", True),
        ("ALTER TABLE items DROP CONSTRAINT fk", True),
        ("ALTER TABLE ORDERS DROP COLUMN n", False),
        ('ALTER TABLE public."orders" DROP COLUMN n', False),
        ("ALTER TABLE parent ADD COLUMN c int", False),
    ],
)
def test_a_parent_is_one_that_a_foreign_key_pulls_in(sql: str, spoken: bool) -> None:
    run = _locked(_run(sql), _EXCLUSIVE)
    assert ("parent-locked" in {one.rule for one in find(run, Alembic())}) is spoken
    assert find(replace(run, more=More(Schema(children=("public.orders",)))), Alembic()) == ()


def test_rows_of_a_table_of_its_own_keep_nobody_waiting() -> None:
    mine = Lock("public.orders", "table", "ROW EXCLUSIVE", 0.0, 9.0, created=True)
    run = replace(_run("UPDATE orders SET n = 1"), transactions=(Transaction(1, 7, 0.0, 99.0, "commit"),))
    ways: tuple[tuple[Lock, set[str]], ...] = ((mine, set()), (replace(mine, created=False), {"unbatched-backfill"}))
    for lock, found in ways:
        changed = tuple(replace(one, dead_tuples=30_000, locks=(lock,)) for one in run.statements)
        assert {one.rule for one in find(replace(run, statements=changed), Alembic())} == found


@pytest.mark.parametrize(
    ("sql", "rules"),
    [
        ("ALTER TABLE orders ALTER COLUMN checked_at SET NOT NULL", {"not-null-scan"}),
        ("ALTER TABLE orders ADD CONSTRAINT check_fk FOREIGN KEY (c) REFERENCES customers", {"foreign-key-validated"}),
        ("ALTER TABLE orders VALIDATE CONSTRAINT check_n", set()),
        ("ALTER TABLE orders ADD CHECK (n > 0)", {"check-validated"}),
        ('ALTER TABLE orders ADD CONSTRAINT "Ck" CHECK (n > 0)', {"check-validated"}),
        ("ALTER TABLE orders ADD c text DEFAULT 'a\nb', ADD CHECK (n > 0)", {"check-validated"}),
    ],
)
def test_a_check_is_not_a_word_in_a_name(sql: str, rules: set[str]) -> None:
    run = _locked(_run(sql), _EXCLUSIVE)
    scanned = tuple(replace(one, scans=(Scan("public.orders", 9_000),)) for one in run.statements)
    found = find(replace(run, statements=scanned), Alembic())
    assert {one.rule for one in found} == rules
    assert not any("\n" in one.what for one in found)


@pytest.mark.parametrize(
    ("earlier", "key", "step"),
    [
        (
            ['ALTER TABLE orders ADD COLUMN "Owner" bigint', "UPDATE orders SET n = 1"],
            'ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY("Owner") REFERENCES users (id) ON DELETE CASCADE',
            'ALTER TABLE orders ADD COLUMN "Owner" bigint CONSTRAINT fk REFERENCES users (id) ON DELETE CASCADE',
        ),
        (
            ["ALTER TABLE app.orders ADD owner int"],
            "ALTER TABLE app.orders ADD FOREIGN KEY (owner) REFERENCES users",
            "ALTER TABLE app.orders ADD COLUMN owner int CONSTRAINT orders_owner_fkey REFERENCES users",
        ),
        (
            ["ALTER TABLE orders ADD owner int DEFAULT 7"],
            "ALTER TABLE orders ADD FOREIGN KEY (owner) REFERENCES u",
            None,
        ),
        (
            ["ALTER TABLE orders ADD owner int", "UPDATE orders SET owner = 7"],
            "ALTER TABLE orders ADD FOREIGN KEY (owner) REFERENCES users",
            None,
        ),
        (["ALTER TABLE carts ADD owner int"], "ALTER TABLE orders ADD FOREIGN KEY (owner) REFERENCES users", None),
        (["ALTER TABLE orders ADD owner int"], "ALTER TABLE orders ADD CHECK (owner > 0)", None),
    ],
)
def test_references_go_inline_where_the_column_is_empty(earlier: list[str], key: str, step: str | None) -> None:
    found = with_references(earlier, key)
    assert (found[1][0].sql if found else None) == step


def test_a_definition_needs_no_space_after_its_table() -> None:
    (step,) = rewrite("create index ix ON orders(state, lower(note)) WHERE state <> ';'") or ()
    assert step.sql == "CREATE INDEX CONCURRENTLY ix ON orders (state, lower(note)) WHERE state <> ';'"
