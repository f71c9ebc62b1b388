"""Somebody's server: a role that may create databases and nothing else gets the same figures."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from inboxbench.bench import Churn, run_ablation, run_decay, run_matrix
from inboxbench.bench.execute.session import open_probe
from inboxbench.bench.sets.indexset import Index, IndexSet
from inboxbench.database import connect, scratch_database
from inboxbench.files import read_text
from inboxbench.project import Project
from inboxbench.server import Server

ROWS = """
    INSERT INTO accounts (name) SELECT 'account ' || i FROM generate_series(1, 3) i;
    INSERT INTO users (account_id, name, email) SELECT i, 'agent ' || i, i || '@example.com'
    FROM generate_series(1, 3) i;
    INSERT INTO inboxes (account_id, name) SELECT i, 'inbox ' || i FROM generate_series(1, 3) i;
    INSERT INTO inbox_members (inbox_id, user_id) SELECT i, i FROM generate_series(1, 3) i;
    INSERT INTO contacts (account_id, name) SELECT i, 'contact ' || i FROM generate_series(1, 3) i;
    INSERT INTO conversations (account_id, inbox_id, contact_id, assignee_id, branch, region)
    SELECT a, a, a, a, 'branch', 'region' FROM (SELECT 1 + (i * i) % 3 AS a FROM generate_series(1, 90) i) n;
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
    SELECT account_id, inbox_id, c.id, 'contact', contact_id, 'incoming', 0, 'a message of the customer ' || i
    FROM conversations c, generate_series(1, 5) i;
"""


@pytest.fixture
def plain(server: Server) -> Iterator[Server]:
    """The server as a role without any privilege but CREATEDB."""
    name, word = f"plain_{secrets.token_hex(4)}", secrets.token_hex(8)
    role = sql.Identifier(name)
    with connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, sql.Literal(word)))
    base = make_conninfo(server.base, user=name, password=word)
    yield replace(server, kind="external", base=base)
    with connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


def test_matrix_without_privileges(plain: Server, project: Project) -> None:
    """auto_explain cannot be loaded, CHECKPOINT is not asked for: the outcome is complete all the same."""
    with scratch_database(plain, "plain") as name:
        with connect(plain.conninfo(name)) as connection:
            connection.execute(read_text(project.schema / "head.sql").encode())
            connection.execute(ROWS.encode())
        with open_probe(plain, name, timeout_s=1) as probe:
            assert not probe.traced
        matrix = run_matrix(
            plain, name, project, sets=["baseline", "recommended"], queries=["list_all", "unread", "thread"], rounds=1
        )
    assert matrix.failures == ()
    assert matrix.cells
    assert all(cell.plan and cell.plan.buffers > 0 for cell in matrix.cells)
    wal = {one.index_set.name: one.wal_bytes("insert") or 0 for one in matrix.sets}
    assert 0 < wal["baseline"] < wal["recommended"]


def test_decay_and_drop_one_without_privileges(plain: Server, project: Project) -> None:
    """First executions are not seen without auto_explain; everything else is there."""
    with scratch_database(plain, "plain") as name:
        with connect(plain.conninfo(name)) as connection:
            connection.execute(read_text(project.schema / "head.sql").encode())
            connection.execute(ROWS.encode())
        aged = run_decay(plain, name, project, Churn({"mark_read": 9}), sets=["baseline"], queries=["list_all"])
        whole = IndexSet("one", "one", "", (Index("tenant", "conversations (account_id)"),))
        found = run_ablation(plain, name, project, whole, queries=["list_all"])
    aged.require_sound()
    assert all(cell.fresh.buffers and cell.fresh.first is None for cell in aged.cells)
    assert found.failures == ()
    assert found.removals[0].saved > 0
