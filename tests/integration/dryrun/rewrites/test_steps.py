"""The code that findings show, pasted into a revision and run by Alembic: it does what was measured."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.integration.dryrun.test_rules import BAD, DATA, REWRITTEN
from tests.integration.dryrun.tools.test_alembic import ENVIRONMENT, history

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.dryrun.rewrites.catalogue import rewrite
from inboxbench.dryrun.rewrites.side_by_side import play
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.alembic_code import as_code
from inboxbench.dryrun.tools.process import run_tool
from inboxbench.server import Server

# What a schema is made of, and the sum of its rows.
_SCHEMA = """
    SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') AND attnum > 0 AND NOT attisdropped
    UNION ALL SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'quantity', sum(quantity)::text, count(*)::text, false FROM orders
    ORDER BY 1, 2, 3
"""
_STORIES: dict[str, Steps] = {
    **{story: rewrite(BAD[story][0][0]) or () for story in REWRITTEN},
    "retried": (Step("ALTER TABLE orders ADD COLUMN c int DEFAULT 7", retry=True),),
    "a value": rewrite("UPDATE orders SET quantity = quantity + $1::int WHERE note <> '$1'") or (),
    "several keys": rewrite("UPDATE orders SET quantity = quantity + $1", "customer_id, id") or (),
}
_DRIVERS = ("psycopg", "psycopg2", "asyncpg")
_ASYNC = """
import asyncio
import sqlalchemy as sa
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def run(connection):
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()

async def main():
    url = context.config.get_main_option("sqlalchemy.url").replace("postgresql:", "postgresql+asyncpg:", 1)
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        await connection.run_sync(run)
    await engine.dispose()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    with scratch_database(server, "pasted") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(DATA.encode())
        yield name


def schema(server: Server, name: str) -> list[tuple[Any, ...]]:
    with connect(server.conninfo(name)) as connection:
        return [row for row in connection.execute(_SCHEMA.encode()) if "alembic_version" not in row[0]]


def pasted(server: Server, name: str, folder: Path, codes: Mapping[str, str], driver: str) -> None:
    """Each is a revision of its own."""
    where = history(folder, {key: textwrap.indent(code, "    ").lstrip() for key, code in codes.items()})
    if driver != "psycopg":
        plain = ENVIRONMENT.format(each=True).replace("+psycopg:", "+psycopg2:")
        (where / "env.py").write_text(_ASYNC if driver == "asyncpg" else plain)
    ended = run_tool(Alembic(script_location=where), server.url(name), "head")
    assert ended.status == 0, ended.complaint


@pytest.mark.parametrize("driver", _DRIVERS)
def test_it_ends_where_the_measured_steps_end(driver: str, server: Server, template: str, tmp_path: Path) -> None:
    assert all(_STORIES.values())
    with scratch_database(server, "pasted", template) as name:
        with connect(server.conninfo(name)) as connection:
            for steps in _STORIES.values():
                play(connection, [replace(step, values={"1": "'3'"}) for step in steps])
        expected = schema(server, name)
    codes = {
        f"r{place}": as_code(steps).replace("value_1 = ...", "value_1 = 3")
        for place, steps in enumerate(_STORIES.values())
    }
    with scratch_database(server, "pasted", template) as name:
        pasted(server, name, tmp_path / "history", codes, driver)
        assert schema(server, name) == expected


@pytest.mark.parametrize("driver", _DRIVERS)
def test_retries_keep_no_lock_of_the_revision(driver: str, server: Server, template: str, tmp_path: Path) -> None:
    """customers, changed before, is free while orders is waited for; lock_timeout is afterwards what it was."""
    first = 'op.execute("ALTER TABLE customers ADD COLUMN early int")'
    code = as_code((Step("ALTER TABLE orders ADD COLUMN late int", retry=True),))
    check = 'assert op.get_bind().execute(sa.text("SHOW lock_timeout")).scalar() == "0"'
    with scratch_database(server, "pasted", template) as name:
        conninfo = server.conninfo(name)
        with connect(conninfo, autocommit=False) as blocker, connect(conninfo) as reader, ThreadPoolExecutor(1) as pool:
            blocker.execute("LOCK TABLE orders IN ACCESS SHARE MODE")
            reader.execute("SET lock_timeout = '1s'")
            done = pool.submit(pasted, server, name, tmp_path / "history", {"a1": f"{first}\n{code}\n{check}"}, driver)
            try:
                _until(reader, "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'orders'::regclass")
                reader.execute("SELECT early FROM customers LIMIT 1")
            finally:
                blocker.commit()
            done.result()
        with connect(conninfo) as connection:
            assert connection.execute("SELECT late FROM orders LIMIT 1").fetchone() == (None,)


def _until(connection: Connection, query: str) -> None:
    deadline = time.monotonic() + 60
    while not (row := connection.execute(query.encode()).fetchone()) or not row[0]:
        assert time.monotonic() < deadline, query
