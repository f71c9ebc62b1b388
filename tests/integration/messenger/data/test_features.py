"""A4 C2 C4 M2 M6: what a dataset at head holds that the baseline cannot, in the shares that the profile declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import pytest

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.invariants import read_invariants, violations
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.profile import Profile, without_features
from inboxbench.project import Project
from inboxbench.seed import read_profile, seed_into
from inboxbench.server import Server

MESSAGES = 60_000
# What was said; the rest of the messages at head are lines of activity and surveys.
SAID: LiteralString = "message_type <> 2 AND content_type <> 9"
# What features may change: all other columns are those of the same conversations without any.
CHANGED = {
    "contacts": {"blocked"},
    "conversations": {
        "status", "priority", "snoozed_until", "identifier",
        "waiting_since", "first_reply_created_at", "contact_last_seen_at", "last_activity_at", "updated_at",
    },
    "messages": {"id", "message_type", "content_type", "private", "read_at", "source_id", "content_attributes"},
}  # fmt: skip


@pytest.fixture(scope="module")
def profile(project: Project) -> Profile:
    return read_profile(ROW_SOURCE, project.seeds, "tiny")


@pytest.fixture(scope="module")
def both(server: Server, project: Project, profile: Profile) -> Iterator[tuple[Connection, Connection]]:
    """Databases seeded at head: with the profile's features, and without any."""
    with scratch_database(server, "featured") as featured, scratch_database(server, "plain") as plain:
        for name, made in ((featured, profile), (plain, without_features(profile))):
            seed_into(server, name, made, 4, size=MESSAGES, at="head", fresh=True, project=project)
        with connect(server.conninfo(featured)) as one, connect(server.conninfo(plain)) as other:
            yield one, other


def value(connection: Connection, query: LiteralString) -> float:
    row = connection.execute(query).fetchone()
    assert row is not None
    return float(row[0])


def digest(connection: Connection, table: str, column: str) -> object:
    rows = f"messages WHERE {SAID}" if table == "messages" else table
    query = f"SELECT md5(string_agg({column}::text, '|' ORDER BY id)) FROM {rows}"
    return connection.execute(query.encode()).fetchone()


@pytest.mark.parametrize("table", CHANGED)
def test_what_features_do_not_touch_stays(both: tuple[Connection, Connection], table: str) -> None:
    featured, plain = both
    names = featured.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (table,),
    ).fetchall()
    columns = {str(name) for (name,) in names}
    different = {name for name in columns if digest(featured, table, name) != digest(plain, table, name)}
    assert different == CHANGED[table]


def test_every_rule_holds(both: tuple[Connection, Connection], project: Project) -> None:
    invariants = [one for one in read_invariants(project.schema / "invariants.sql").values() if one.scope != "lab"]
    assert len(invariants) > 12
    assert violations(both[0], invariants) == []


SHARES: dict[str, tuple[LiteralString, float]] = {
    "private_notes": ("SELECT avg(private::int) FROM messages WHERE sender_type = 'user' AND " + SAID, 0.01),
    "templates": ("SELECT avg((message_type = 3)::int) FROM messages WHERE sender_type = 'bot' AND " + SAID, 0.02),
    "attachments": ("SELECT avg((content_attributes ? 'attachments')::int) FROM messages WHERE " + SAID, 0.005),
    "cards": (
        "SELECT coalesce(avg((content_type BETWEEN 4 AND 7)::int), 0) FROM messages WHERE message_type = 3 AND " + SAID,
        0.03,
    ),
    "stickers": ("SELECT avg((content_type = 11)::int) FROM messages WHERE sender_type = 'contact' AND " + SAID, 0.003),
    "identifiers": ("SELECT avg((identifier IS NOT NULL)::int) FROM conversations", 0.01),
    "snoozed": (
        "SELECT avg((status = 'snoozed')::int) FROM conversations "
        "WHERE status IN ('open', 'snoozed') AND assignee_id IS NOT NULL",
        0.06,
    ),
    "blocked": ("SELECT avg(blocked::int) FROM contacts", 0.003),
}


@pytest.mark.parametrize("key", SHARES)
def test_shares_are_those_of_the_profile(both: tuple[Connection, Connection], profile: Profile, key: str) -> None:
    query, slack = SHARES[key]
    assert value(both[0], query) == pytest.approx(getattr(profile.features, key), abs=slack)
    assert value(both[1], query) == 0


def test_priorities(both: tuple[Connection, Connection], profile: Profile) -> None:
    for level, share in enumerate(profile.features.priority):
        row = both[0].execute("SELECT avg((priority IS NOT DISTINCT FROM %s)::int) FROM conversations", (level,))
        assert float((row.fetchone() or (0,))[0]) == pytest.approx(share, abs=0.01)


def test_notes_are_a_colleagues_and_no_customer_reads_them(both: tuple[Connection, Connection]) -> None:
    assert value(both[0], "SELECT count(*) FROM messages WHERE private AND message_type = 1") > 100
    assert value(both[0], "SELECT count(*) FROM messages WHERE private AND sender_type <> 'user'") == 0
    assert value(both[0], "SELECT count(*) FROM messages WHERE private AND read_at IS NOT NULL") == 0
    assert value(both[0], "SELECT count(*) FROM messages WHERE private AND source_id IS NOT NULL") == 0


def test_snoozes_are_due_or_to_come(both: tuple[Connection, Connection], profile: Profile) -> None:
    due = value(
        both[0],
        "SELECT count(*) FROM conversations c WHERE status = 'snoozed' AND (snoozed_until IS NULL OR snoozed_until "
        "< (SELECT max(created_at) FROM messages m WHERE m.conversation_id = c.id))",
    )
    assert due == 0
    # What is due comes back before the dataset's end, the rest after it.
    query = "SELECT count(*) FILTER (WHERE snoozed_until <= %(end)s), count(snoozed_until) FROM conversations"
    row = both[0].execute(query, {"end": profile.time.ends}).fetchone()
    assert row is not None
    assert 0 <= row[0] < row[1] / 2


def test_outside_inboxes_number_all_their_public_messages(both: tuple[Connection, Connection]) -> None:
    """M6: one source_id a message and inbox; a few came to two inboxes."""
    mixed = """
        SELECT count(*) FROM (
            SELECT inbox_id FROM messages WHERE NOT private AND message_type <> 2 AND content_type <> 9
            GROUP BY inbox_id
            HAVING count(source_id) NOT IN (0, count(*))) AS x
    """
    assert value(both[0], mixed) == 0
    assert value(both[0], "SELECT avg((source_id IS NOT NULL)::int) FROM messages") > 0.05
    twice = """
        SELECT count(*) FROM (
            SELECT source_id FROM messages WHERE source_id IS NOT NULL
            GROUP BY source_id HAVING count(*) = 2 AND count(DISTINCT inbox_id) = 2) AS x
    """
    assert value(both[0], twice) > 10
    assert value(both[0], "SELECT count(*) FROM messages WHERE source_id !~ '^wamid\\.[0-9]{14}$'") == 0


def test_attachments_are_documents_of_their_own(both: tuple[Connection, Connection]) -> None:
    kinds = "SELECT count(DISTINCT content_attributes #>> '{attachments,0,file_type}') FROM messages"
    names = "SELECT count(DISTINCT content_attributes #>> '{attachments,0,name}') FROM messages"
    assert value(both[0], kinds) == 4
    assert value(both[0], names) > 3_000
