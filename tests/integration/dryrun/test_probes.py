"""Probes: DDL behind a transaction, deadlocks with readers of another order, and the way back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from inboxbench.database import scratch_database
from inboxbench.dryrun.more import Loss
from inboxbench.dryrun.probes.blockers import long_reader, old_snapshot
from inboxbench.dryrun.probes.downgrade import there_and_back
from inboxbench.dryrun.probes.lock_queue import probe_queue, search_deadlocks
from inboxbench.dryrun.run import run_segment
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.under_traffic import Load
from inboxbench.server import Server
from inboxbench.traffic.engine import RequestClass

if TYPE_CHECKING:
    from tests.conftest import Database

# A chain that is no Alembic's: statements of one transaction, one after another.
_SCRIPT = """
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit={autocommit}) as connection:
    for statement in {statements}:
        connection.execute(statement)
"""
_READER_S = 5.0  # longer than a command takes to start on a busy machine, so that it meets the reader at work


def _nothing(_random: Random) -> dict[str, Any]:
    return {}


READ = RequestClass("read", "read", 1, ("SELECT FROM things LIMIT 1",), _nothing)


def _chain(folder: Path, *statements: str, autocommit: bool = False) -> Alembic:
    script = folder / "chain.py"
    script.write_text(_SCRIPT.format(statements=statements, autocommit=autocommit))
    return Alembic(program=f"{sys.executable} {script} {{url}}")


@pytest.fixture
def template(server: Server) -> Iterator[Database]:
    from tests.conftest import Database as Made  # noqa: PLC0415

    with scratch_database(server, "probe") as name:
        made = Made(server, name)
        with made.connect() as connection:
            connection.execute(
                "CREATE TABLE things (id int PRIMARY KEY, name text); INSERT INTO things VALUES (1, 'a')"
            )
            connection.execute(
                "CREATE TABLE others (id int PRIMARY KEY, name text); INSERT INTO others VALUES (1, 'b')"
            )
        yield made


def test_ddl_behind_a_long_reader_with_and_without_a_timeout(template: Database, tmp_path: Path) -> None:
    chain = _chain(tmp_path, "ALTER TABLE things ADD note text", "SELECT 1")
    found = probe_queue(
        template.server,
        template.name,
        chain,
        Load((READ,), 50),
        lambda conninfo: long_reader(conninfo, _READER_S),
        lock_timeouts_ms=(None, 50),
    )
    plain, patient = found
    assert (plain.lock_timeout_ms, plain.attempts, plain.error) == (None, 1, None)
    assert patient.lock_timeout_ms == 50
    assert patient.error is None
    assert patient.attempts > 1  # the reader was there first, for longer than the timeout
    assert plain.worst_class == patient.worst_class == "read"
    (felt,) = plain.traffic
    worst = max(felt.stalls, key=lambda stall: stall.duration_ms)
    assert (worst.held, worst.queued, worst.relation) == ("ACCESS EXCLUSIVE", True, "public.things")
    assert felt.errors == patient.traffic[0].errors == 0


def test_an_old_snapshot_holds_up_an_index_built_concurrently_and_nobody_else(
    template: Database, tmp_path: Path
) -> None:
    chain = _chain(tmp_path, "CREATE INDEX CONCURRENTLY things_name ON things (name)", autocommit=True)
    (found,) = probe_queue(
        template.server,
        template.name,
        chain,
        Load((READ,), 50),
        lambda conninfo: old_snapshot(conninfo, _READER_S),
        lock_timeouts_ms=(None,),
    )
    assert (found.attempts, found.error) == (1, None)
    assert found.traffic[0].blocked_ms == 0


# Takes both tables in one order, up to 40 times: which of the two dies of a deadlock is chance, that one does is not.
_RETRIED = """
    DO $$ BEGIN FOR turn IN 1..40 LOOP BEGIN
        LOCK TABLE things; PERFORM pg_sleep(0.03); LOCK TABLE others; RAISE SQLSTATE 'P0099';
    EXCEPTION WHEN SQLSTATE 'P0099' OR deadlock_detected THEN NULL; END; END LOOP; END $$
"""


def test_a_chain_of_drop_tables_deadlocks_with_readers_of_the_other_order_only(
    template: Database, tmp_path: Path
) -> None:
    """The pause stands for the other work of a real chain; a quiet run of the same passes."""
    chain = _chain(tmp_path, _RETRIED, "DROP TABLE things", "DROP TABLE others")
    (found,) = search_deadlocks(template.server, template.name, chain, 1, rate=60)
    assert {("public.things", "public.others"), ("public.others", "public.things")} == set(found.orders)
    assert found.deadlocks >= 1
    assert any("`read others, things` waits for" in cycle for cycle in found.cycles)
    with scratch_database(template.server, "quiet", template.name) as quiet:
        assert run_segment(template.server, quiet, chain).error is None


_REVISION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = {revision!r}, {down!r}
def upgrade():
    {up}
def downgrade():
    {back}
"""
_ENV = """
from alembic import context
import sqlalchemy as sa
url = context.config.get_main_option("sqlalchemy.url")
engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def test_the_way_back_is_measured_and_what_it_loses_is_named(template: Database, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(_ENV)
    revisions = [
        ("r1", None, 'op.add_column("things", sa.Column("note", sa.Text))', 'op.drop_column("things", "note")'),
        ("r2", "r1", 'op.drop_column("things", "name")', 'op.add_column("things", sa.Column("name", sa.Text))'),
        ("r3", "r2", 'op.execute("DELETE FROM others")', "pass"),
    ]
    for revision, down, up, back in revisions:
        text = _REVISION.format(revision=revision, down=down, up=up, back=back)
        (tmp_path / "versions" / f"{revision}.py").write_text(text)
    chain = Alembic(script_location=tmp_path)
    found = there_and_back(template.server, template.name, chain, Load((READ,), 50))
    assert (found.target, found.error) == ("base", None)
    assert found.lost == (
        Loss("public.others", None, "1 rows before, 0 after"),
        Loss("public.things", "name", "its values are not what they were"),
    )
    (added,) = [one for one in found.statements if "ADD COLUMN name" in one.sql]
    assert [lock.mode for lock in added.locks if lock.relation == "public.things"] == ["ACCESS EXCLUSIVE"]
    assert found.traffic[0].requests > 0
