"""A3: at head every change that a conversation's state shows left its one line, and who spoke last fits the status."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

import pytest
from alembic.script import ScriptDirectory

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.messenger.app import handover, lifecycle, posting
from inboxbench.messenger.app.message import SYSTEM, Actor, incoming
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.profile import Profile
from inboxbench.migrate.backfill import Backfill
from inboxbench.project import Project
from inboxbench.seed import read_profile, seed_into
from inboxbench.server import Server

MESSAGES = 60_000


@pytest.fixture(scope="module")
def profile(project: Project) -> Profile:
    return read_profile(ROW_SOURCE, project.seeds, "tiny")


@pytest.fixture(scope="module")
def seeded(server: Server, project: Project, profile: Profile) -> Iterator[Connection]:
    with scratch_database(server, "activity") as name:
        seed_into(server, name, profile, 8, size=MESSAGES, at="head", fresh=True, project=project)
        with connect(server.conninfo(name)) as connection:
            yield connection


# Each returns the number of rows that break a rule. Lines of a kind by conversation: how many, and what the last says.
_OF = """
    (SELECT c.*, count(m.id) AS lines, max(m.created_at) AS at,
            (array_agg(m.content_attributes -> 'activity' ORDER BY m.created_at))[count(m.id)] AS fact
     FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id
          AND m.message_type = 2 AND m.content_attributes #>> '{activity,kind}' IN (KINDS)
     GROUP BY c.id) AS c
"""
RULES = {
    "assigned, and no line or another one": (
        "'assigned'",
        """CASE WHEN assignee_id IS NULL THEN lines > 0 ELSE lines <> 1 OR (fact ->> 'to')::bigint <> assignee_id
           OR at NOT BETWEEN assignee_assigned_at AND assignee_assigned_at + interval '15 ms' END""",
    ),
    "a status that the last line does not name": (
        "'status', 'snoozed', 'muted'",
        "CASE WHEN lines = 0 THEN status <> 'open' ELSE status <> coalesce(fact ->> 'to', fact ->> 'kind') END",
    ),
    "a status that no line left": (
        "'status', 'snoozed', 'muted'",
        "(lines % 2 = 0) <> (status = 'open')",
    ),
    "priority, and no line or another one": (
        "'priority'",
        """CASE WHEN priority IS NULL THEN lines > 0 ELSE lines <> 1
           OR fact ->> 'to' <> ('{low,medium,high,urgent}'::text[])[priority + 1] END""",
    ),
    "snoozed, and no line or another one": (
        "'snoozed'",
        """CASE WHEN status <> 'snoozed' THEN lines > 0
           ELSE lines <> 1 OR (fact ->> 'until')::timestamptz <> snoozed_until END""",
    ),
    "resolved at another time than the line says": (
        "'status', 'muted'",
        "status = 'resolved' AND at NOT BETWEEN updated_at - interval '45 ms' AND updated_at",
    ),
    "muted, and the contact is not blocked or has gone on": (
        "'muted'",
        """(lines > 0) <> (EXISTS (SELECT FROM contacts k WHERE k.id = c.contact_id AND k.blocked)
           AND c.id = (SELECT max(o.id) FROM conversations o WHERE o.contact_id = c.contact_id))""",
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_each_change_left_its_line(seeded: Connection, rule: str) -> None:
    kinds, condition = RULES[rule]
    query = f"SELECT count(*) FROM {_OF.replace('KINDS', kinds)} WHERE {condition}"
    assert seeded.execute(query.encode()).fetchone() == (0,)


def test_lines_are_of_every_kind(seeded: Connection) -> None:
    rows = seeded.execute("""
        SELECT content_attributes #>> '{activity,kind}', sender_type, count(*) FROM messages
        WHERE message_type = 2 GROUP BY 1, 2
    """).fetchall()
    count = {(kind, sender): number for kind, sender, number in rows}
    assert {kind for kind, _ in count} == {"assigned", "status", "priority", "snoozed", "muted"}
    assert count["status", "contact"] > 10
    assert count["assigned", "user"] > count["assigned", "bot"] > 100


def test_lines_name_who_did_it(seeded: Connection) -> None:
    bodies = seeded.execute("""
        SELECT m.body, m.sender_type, u.name, k.name, m.content_attributes #>> '{activity,kind}'
        FROM messages m JOIN conversations c ON c.id = m.conversation_id
        LEFT JOIN users u ON u.id = c.assignee_id LEFT JOIN contacts k ON k.id = c.contact_id
        WHERE m.message_type = 2
    """).fetchall()
    for body, sender, agent, contact, kind in bodies:
        actor = {"user": agent, "contact": contact, "bot": "Automation"}[sender]
        assert body.startswith(f"{actor} "), (body, actor)
        assert not re.search(r"\x00|  ", body)
        if kind == "assigned" and sender == "bot":
            assert body == f"Automation assigned the conversation to {agent}"


def test_who_was_rated_was_asked(seeded: Connection, profile: Profile) -> None:
    asked, rated, resolved = seeded.execute("""
        SELECT count(m.id), count(*) FILTER (WHERE rating_score IS NOT NULL AND rated_at > m.created_at),
               count(*) FILTER (WHERE status = 'resolved')
        FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id AND m.content_type = 9
    """).fetchone() or (0, 0, 0)
    share = profile.rating.share + profile.features.surveys * (1 - profile.rating.share)
    assert asked / resolved == pytest.approx(share, abs=0.02)
    total = seeded.execute("SELECT count(*) FROM conversations WHERE rating_score IS NOT NULL").fetchone()
    assert (rated,) == total


@pytest.mark.parametrize(("status", "slack"), [("open", 0.06), ("pending", 0.12), ("resolved", 0.02)])
def test_who_spoke_last_fits_the_status(seeded: Connection, profile: Profile, status: str, slack: float) -> None:
    """Of conversations with more than one message: the first is the customer's whatever comes of it."""
    row = seeded.execute(
        """
        SELECT avg((direction = 'outgoing')::int)::float FROM (
            SELECT DISTINCT ON (m.conversation_id) m.direction, count(*) OVER (PARTITION BY m.conversation_id) AS n
            FROM messages m JOIN conversations c ON c.id = m.conversation_id
            WHERE m.message_type <> 2 AND m.content_type <> 9 AND c.status = %s
            ORDER BY m.conversation_id, m.id DESC) AS last WHERE n > 1
        """,
        (status,),
    ).fetchone()
    assert row is not None
    assert row[0] == pytest.approx(getattr(profile.last_word, status), abs=slack)


def test_backfills_find_nothing_to_do(seeded: Connection, project: Project) -> None:
    """Clocks and counters of the generator are what the migrations compute of the same messages."""
    names = ("conversations.reply_clocks", "conversations.last_seen", "conversations.last_activity_at")
    modules = [script.module for script in ScriptDirectory(str(project.migrations)).walk_revisions()]
    filled = [value for module in modules for value in vars(module).values() if isinstance(value, Backfill)]
    chosen = {fill.name: fill for fill in filled if fill.name in names}
    ids = [number for (number,) in seeded.execute("SELECT id FROM conversations")]
    with seeded.transaction(force_rollback=True):
        for name in names:
            for statement in chosen[name].write:
                assert (name, seeded.execute(statement.encode(), {"ids": ids}).rowcount) == (name, 0)


_SHAPE = """
    SELECT m.sender_type, m.direction, m.message_type, m.content_type, m.private, m.read_at IS NULL,
           m.source_id IS NULL, m.sender_id IS NULL, m.body, u.name, k.name,
           (SELECT array_agg(key || ' ' || jsonb_typeof(value) || CASE WHEN key = 'kind' THEN value::text ELSE '' END
                             ORDER BY key) FROM jsonb_each(m.content_attributes -> 'activity'))
    FROM messages m JOIN conversations c ON c.id = m.conversation_id
    LEFT JOIN users u ON u.id = c.assignee_id JOIN contacts k ON k.id = c.contact_id
    WHERE m.message_type = 2 AND m.id > %s
"""


def shapes(connection: Connection, after: int = 0) -> set[tuple[object, ...]]:
    """Lines with names and times replaced by what they stand for."""
    found = set()
    for *columns, body, agent, contact, facts in connection.execute(_SHAPE, (after,)):
        text = body.replace(contact, "CONTACT") if columns[0] == "contact" else body.replace(agent or "-", "AGENT")
        found.add((*columns, re.sub(r"until [-0-9: ]+ UTC", "until TIME", text), tuple(facts)))
    return found


def test_lines_are_those_of_the_application(seeded: Connection) -> None:
    """The rules write lines of their own, each of which the generator writes too."""
    generated = shapes(seeded)
    with seeded.transaction(force_rollback=True):
        last = seeded.execute("SELECT max(id) FROM messages").fetchone()
        rows = seeded.execute("""
            SELECT c.id, (SELECT user_id FROM inbox_members WHERE inbox_id = c.inbox_id LIMIT 1), c.contact_id
            FROM conversations c WHERE status = 'open' AND assignee_id IS NULL ORDER BY id LIMIT 6
        """).fetchall()
        for (number, agent, _), by in zip(rows, [SYSTEM, *(Actor("user", row[1]) for row in rows[1:])], strict=True):
            assert handover.assign(seeded, number, agent, by)
        users = [Actor("user", agent) for _, agent, _ in rows]
        assert lifecycle.change_status(seeded, rows[0][0], "resolved", SYSTEM)
        assert lifecycle.change_status(seeded, rows[1][0], "pending", users[1])
        assert lifecycle.change_status(seeded, rows[2][0], "resolved", users[2])
        assert lifecycle.snooze(seeded, rows[3][0], dt.datetime(2030, 1, 2, 3, 4, tzinfo=dt.UTC), users[3])
        assert lifecycle.mute(seeded, rows[4][0], users[4])
        assert posting.post(seeded, incoming(rows[2][0], rows[2][2], "again")).reopened
        made = shapes(seeded, (last or (0,))[0])
    assert len(made) == 8
    assert made <= generated
