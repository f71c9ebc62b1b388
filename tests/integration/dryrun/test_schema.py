"""Rewrites in batches go by the key that the table has, whatever it is called and however many columns it has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from inboxbench.database import connect, scratch_database
from inboxbench.dryrun.model import DryRun, Statement
from inboxbench.dryrun.more import More, Schema
from inboxbench.dryrun.observe.observer import observed
from inboxbench.dryrun.rewrites.compare import with_rewrites
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.schema import of_retyped, read_schema
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.server import Server

ROWS = 12_000
_TABLES = f"""
    CREATE TABLE named (order_no int PRIMARY KEY, amount int NOT NULL);
    CREATE TABLE by_uuid (uid uuid PRIMARY KEY, amount int NOT NULL);
    CREATE TABLE composite (tenant int, "No" text, amount int NOT NULL, PRIMARY KEY (tenant, "No") INCLUDE (amount));
    CREATE TABLE keyless (amount int NOT NULL);
    CREATE SCHEMA app;
    CREATE TABLE app.hidden (number int PRIMARY KEY, amount int NOT NULL);
    INSERT INTO app.hidden SELECT n, n FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO named SELECT n, n FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO by_uuid SELECT gen_random_uuid(), n FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO composite SELECT n % 3, 'n' || n, n FROM generate_series(1, {ROWS}) AS n;
    INSERT INTO keyless SELECT n FROM generate_series(1, {ROWS}) AS n;
"""
_KEYS = {
    "public.named": "order_no",
    "public.by_uuid": "uid",
    "public.composite": 'tenant, "No"',
    "public.keyless": "",
    "app.hidden": "number",
}
_CHANGES = {"backfill": "UPDATE {} SET amount = amount + 1", "type": "ALTER TABLE {} ALTER COLUMN amount TYPE bigint"}


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    with scratch_database(server, "keys") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(_TABLES.encode())
        yield name


@pytest.fixture(scope="module")
def run(server: Server, template: str) -> DryRun:
    """Each change to each table, as statements of one revision that fails nowhere."""
    with scratch_database(server, "keys", template) as name:
        with observed(server, name) as observer, connect(server.conninfo(name)) as connection:
            for table in _KEYS:
                for change in _CHANGES.values():
                    connection.execute(change.format(table).encode())
            connection.execute("UPDATE named SET amount = %s WHERE order_no > 0", ("4711",))
            with connection.transaction():
                connection.execute("SET LOCAL search_path = app")
                connection.execute("UPDATE hidden SET amount = 1")
            connection.execute(b"WITH done AS (UPDATE named SET amount = 0) SELECT 1")
        seen, transactions = observer.observed()
        keys, columns = read_schema(server, name).keys, of_retyped(seen, read_schema(server, template).columns)
    statements = tuple(replace(one, revision=f"r{one.number}") for one in seen)
    known = Schema(keys, columns)
    run = DryRun("s", "s", "c", "2026", 1.0, (), statements, transactions, more=More(known))
    return replace(run, findings=find(run, Alembic()))


def compared(run: DryRun, server: Server, template: str, *chosen: Statement, limit_s: float = 600) -> DryRun:
    @contextmanager
    def at(_: str) -> Iterator[str]:
        with scratch_database(server, "keys", template) as name:
            yield name

    numbers = {one.number for one in chosen}
    about = replace(run, findings=tuple(one for one in run.findings if one.statement in numbers))
    return with_rewrites(about, server, at, Alembic(), limit_s=limit_s)


def test_keys_are_read_from_the_catalogue(run: DryRun) -> None:
    assert run.more.schema is not None
    assert run.more.schema.keys == _KEYS


@pytest.mark.parametrize("change", _CHANGES)
@pytest.mark.parametrize("table", [name for name, key in _KEYS.items() if key])
def test_the_rewrite_goes_by_the_tables_own_key(
    table: str, change: str, run: DryRun, server: Server, template: str
) -> None:
    statement = next(one for one in run.statements if one.sql == _CHANGES[change].format(table))
    before = next(one for one in run.findings if one.statement == statement.number)
    done = compared(run, server, template, statement)
    assert done.notes == ()
    (found,) = done.findings
    assert found.compared is not None
    assert found.code == before.code
    assert f"SELECT {_KEYS[table]} FROM {table}" in found.code
    assert 0 < found.compared.rewrite["rows_locked_at_once"] <= 5_000


@pytest.mark.parametrize("change", _CHANGES)
def test_without_a_key_no_batches_are_proposed(change: str, run: DryRun, server: Server, template: str) -> None:
    statement = next(one for one in run.statements if one.sql == _CHANGES[change].format("public.keyless"))
    (found,) = compared(run, server, template, statement).findings
    assert found.compared is None
    assert found.code.startswith("# public.keyless has no primary key to go through it by")


def test_the_code_for_several_columns_compares_them_as_a_row(run: DryRun) -> None:
    statement = next(one for one in run.statements if one.sql.startswith("UPDATE public.composite"))
    code = next(one.code for one in run.findings if one.statement == statement.number)
    compile(code, "revision", "exec")
    assert "last = dict(zip(['last_0', 'last_1'], row))" in code
    assert "after = 'AND (tenant, \"No\") > (:last_0, :last_1)'" in code


def test_a_rewrite_that_fails_leaves_a_note(run: DryRun, server: Server) -> None:
    """The tables are not there: the first step says so."""
    statement = next(one for one in run.statements if one.sql == "UPDATE public.named SET amount = amount + 1")
    with scratch_database(server, "nothing") as empty:
        with connect(server.conninfo(empty)) as connection:
            connection.execute("CREATE TABLE named (order_no int PRIMARY KEY)")
        done = compared(run, server, empty, statement)
    assert done.findings[0].compared is None
    assert done.notes == (
        f"unbatched-backfill in revision {statement.revision} is not compared with its rewrite: a step failed "
        '(UPDATE public.named SET amount = amount + 1): column "amount" does not exist',
    )


def test_values_that_the_driver_sent_apart_are_run_and_not_shown(run: DryRun, server: Server, template: str) -> None:
    statement = next(one for one in run.statements if "$1" in one.sql)
    assert statement.values == {"1": "'4711'"}
    done = compared(run, server, template, statement)
    assert done.notes == ()
    (found,) = done.findings
    assert found.compared is not None
    assert found.compared.original["rows_locked_at_once"] == ROWS
    assert 0 < found.compared.rewrite["rows_locked_at_once"] <= 5_000
    assert "SET amount = (:value_1)" in found.code
    assert "bindparams" not in found.code
    assert "4711" not in json.dumps(done.to_json())


def test_values_that_nobody_knows_leave_a_note(run: DryRun, server: Server, template: str) -> None:
    statement = next(one for one in run.statements if "$1" in one.sql)
    apart = replace(statement, values={})
    changed = tuple(apart if one is statement else one for one in run.statements)
    done = compared(replace(run, statements=changed), server, template, apart)
    assert done.findings[0].compared is None
    assert "has values ($1) that the log does not show" in done.notes[0]


def test_a_comparison_finds_the_tables_where_the_session_did(run: DryRun, server: Server, template: str) -> None:
    """By a search_path that was set for its transaction alone."""
    statement = next(one for one in run.statements if one.sql == "UPDATE hidden SET amount = 1")
    done = compared(run, server, template, statement)
    assert done.notes == ()
    (found,) = done.findings
    assert found.compared is not None
    assert "SELECT number FROM hidden" in found.code
    assert found.compared.original["rows_locked_at_once"] == ROWS


def test_a_comparison_that_takes_too_long_is_ended(run: DryRun, server: Server, template: str) -> None:
    statement = next(one for one in run.statements if one.sql == _CHANGES["backfill"].format("public.named"))
    done = compared(run, server, template, statement, limit_s=0.001)
    assert done.findings[0].compared is None
    assert "it was not through within --timeout" in done.notes[0]


def test_wal_of_a_writing_cte_that_nothing_reads_is_counted(run: DryRun) -> None:
    statement = next(one for one in run.statements if one.sql.startswith("WITH done"))
    assert statement.wal_bytes > ROWS * 24
