"""A6: each scope's rows against the same rule in Python, and the plan that serves it at head."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.orm import Session

from inboxbench.database import connect, scratch_database
from inboxbench.messenger import scopes
from inboxbench.messenger.models import Conversation
from inboxbench.project import Project
from inboxbench.server import Server

IDLE = dt.timedelta(days=2)
ACCOUNT, INBOX, AGENT = 1, 1, 7
PEOPLE = """
    INSERT INTO accounts (id, name) VALUES (1, 'Ours'), (2, 'Theirs');
    INSERT INTO users (id, account_id, name, email)
    SELECT n, 1, 'Agent ' || n, n || '@example.test' FROM generate_series(1, 40) n;
    INSERT INTO inboxes (id, account_id, name) VALUES (1, 1, 'Chat'), (2, 1, 'Mail'), (3, 2, 'Theirs');
    INSERT INTO contacts (id, account_id, name) VALUES (1, 1, 'Ann'), (2, 2, 'Bob');
"""
# What a list of ours must not read: resolved conversations, and another account's. One in fifteen is open, as in life.
MASS = """
    INSERT INTO conversations (account_id, inbox_id, contact_id, status, assignee_id, first_reply_created_at,
                               last_activity_at)
    SELECT 1, 1 + n % 2, 1, 'resolved', 1 + n % 40, now() - interval '9 days', now() - n * interval '1 hour'
    FROM generate_series(1, 2000) n;
    INSERT INTO conversations (account_id, inbox_id, contact_id, status, last_activity_at)
    SELECT 2, 3, 2, CASE WHEN n % 15 = 0 THEN 'open' ELSE 'resolved' END, now() - n * interval '1 hour'
    FROM generate_series(1, 4000) n
"""
OPEN = """
    INSERT INTO conversations (account_id, inbox_id, contact_id, status, assignee_id, first_reply_created_at,
                               waiting_since, last_activity_at)
    VALUES (%(account)s, %(inbox)s, %(contact)s, %(status)s, %(assignee)s, %(replied)s, %(waiting)s, %(active)s)
"""


@dataclass(frozen=True)
class Facts:
    """What decides whether a conversation belongs to a scope."""

    account: int
    status: str
    assignee: int | None
    replied: bool
    waiting: bool
    idle: bool

    def parameters(self) -> dict[str, Any]:
        now = dt.datetime.now(dt.UTC)
        return {
            "account": self.account,
            "inbox": 1 if self.account == ACCOUNT else 3,
            "contact": self.account,
            "status": self.status,
            "assignee": self.assignee,
            "replied": now - dt.timedelta(days=9) if self.replied else None,
            "waiting": now - dt.timedelta(days=3) if self.waiting else None,
            "active": now - (IDLE * 2 if self.idle else IDLE / 2),
        }


CASES = [
    Facts(*values)
    for values in product((1, 2), ("open", "pending"), (None, AGENT, 8), (True, False), (True, False), (True, False))
]


@pytest.fixture(scope="module")
def connection(server: Server, project: Project) -> Iterator[Connection]:
    with scratch_database(server, "scopes") as name:
        with closing(connect(server.conninfo(name))) as plain:
            plain.execute((project.schema / "head.sql").read_bytes())
            plain.execute(PEOPLE)
            plain.execute(MASS)
            plain.cursor().executemany(OPEN, [facts.parameters() for facts in CASES])
            plain.execute("VACUUM (ANALYZE) conversations")
        engine = create_engine(server.sqlalchemy_url(name))
        with engine.connect() as opened:
            yield opened
        engine.dispose()


def open_and_pending(connection: Connection, query: scopes.Conversations) -> list[Facts]:
    """The spelt-out conversations that `query` finds, as facts."""
    with Session(connection) as session:
        found = session.scalars(query.where(Conversation.status != "resolved")).all()
    now = dt.datetime.now(dt.UTC)
    return [
        Facts(
            account=row.account_id,
            status=row.status,
            assignee=row.assignee_id,
            replied=row.first_reply_created_at is not None,
            waiting=row.waiting_since is not None,
            idle=row.last_activity_at < now - IDLE,
        )
        for row in found
    ]


Narrow = Callable[[scopes.Conversations], scopes.Conversations]
SCOPES: dict[str, tuple[Narrow, Callable[[Facts], bool]]] = {
    "unassigned": (scopes.unassigned, lambda f: f.assignee is None),
    "assigned": (scopes.assigned, lambda f: f.assignee is not None),
    "assigned_to": (lambda q: scopes.assigned_to(q, AGENT), lambda f: f.assignee == AGENT),
    "unattended": (scopes.unattended, lambda f: not f.replied or f.waiting),
    "resolvable_all": (lambda q: scopes.resolvable_all(q, IDLE), lambda f: f.status == "open" and f.idle),
    "resolvable_not_waiting": (
        lambda q: scopes.resolvable_not_waiting(q, IDLE),
        lambda f: f.status == "open" and f.idle and not f.waiting,
    ),
}


def ordered(facts: list[Facts]) -> list[str]:
    return sorted(map(str, facts))


@pytest.mark.parametrize("name", SCOPES)
def test_rows(connection: Connection, name: str) -> None:
    narrow, belongs = SCOPES[name]
    expected = [facts for facts in CASES if facts.account == ACCOUNT and belongs(facts)]
    found = open_and_pending(connection, narrow(scopes.conversations(ACCOUNT)))
    assert ordered(found) == ordered(expected)
    assert expected


def test_they_compose_in_any_order(connection: Connection) -> None:
    base = scopes.conversations(ACCOUNT)
    one = scopes.unattended(scopes.assigned_to(scopes.in_inbox(base, INBOX), AGENT))
    other = scopes.in_inbox(scopes.assigned_to(scopes.unattended(base), AGENT), INBOX)
    expected = [f for f in CASES if f.account == ACCOUNT and f.assignee == AGENT and (f.waiting or not f.replied)]
    assert ordered(open_and_pending(connection, one)) == ordered(open_and_pending(connection, other))
    assert ordered(open_and_pending(connection, one)) == ordered(expected)


@pytest.mark.parametrize("idle", [dt.timedelta(), dt.timedelta(minutes=-1)])
def test_a_switched_off_resolver_resolves_nothing(connection: Connection, idle: dt.timedelta) -> None:
    assert open_and_pending(connection, scopes.resolvable_all(scopes.conversations(ACCOUNT), idle)) == []


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def explain(connection: Connection, query: scopes.Conversations) -> list[dict[str, Any]]:
    compiled = query.compile(connection, compile_kwargs={"literal_binds": True})
    rows = connection.exec_driver_sql(
        f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {compiled}".replace("%", "%%")
    )
    return list(nodes(rows.scalar_one()[0]["Plan"]))


# The list's index carries inbox and assignee behind its order; on few rows any index of the open ones will do.
BY_ACTIVITY = {"conversations_account_status_activity_idx"}
OF_OPEN = {"conversations_open_created_idx", "conversations_open_waiting_idx"}
BY_ASSIGNEE = BY_ACTIVITY | {"conversations_open_assignee_activity_idx", "conversations_queue_idx"}


# What the application asks: a page of a scope of the open conversations. The mass of the others must not be read.
@pytest.mark.parametrize(
    ("name", "in_inbox", "indexes"),
    [
        ("unassigned", True, BY_ASSIGNEE),
        ("assigned", True, BY_ASSIGNEE),
        ("assigned_to", True, BY_ASSIGNEE),
        ("unattended", False, BY_ACTIVITY),
        ("resolvable_all", False, BY_ACTIVITY),
        ("resolvable_not_waiting", False, BY_ACTIVITY | OF_OPEN),
    ],
)
def test_plan(connection: Connection, name: str, in_inbox: bool, indexes: set[str]) -> None:
    narrow, _ = SCOPES[name]
    query = narrow(scopes.conversations(ACCOUNT)).where(Conversation.status == "open")
    query = query.order_by(Conversation.last_activity_at.desc()).limit(25)
    plan = explain(connection, scopes.in_inbox(query, INBOX) if in_inbox else query)
    used = {node["Index Name"] for node in plan if "Index Name" in node}
    assert used
    assert used <= indexes
    assert "Seq Scan" not in [node["Node Type"] for node in plan]
    assert sum(node.get("Rows Removed by Filter", 0) for node in plan) < len(CASES)
