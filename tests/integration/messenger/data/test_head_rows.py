"""C1 C3 C5 C6 C7 C8 K1 K2: seeding at head gives what seeding at the baseline and migrating gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import sql

from inboxbench.catalog import compare, explain, read_catalog
from inboxbench.database import Connection, connect, scratch_database
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.profile import without_features
from inboxbench.migrate import runner
from inboxbench.project import Project
from inboxbench.seed import read_profile, seed_into
from inboxbench.server import Server

# What the migration dates itself.
CLOCKED: dict[str, tuple[str, ...]] = {"duplicate_resolutions": ("resolved_at",)}
TABLES = (
    "accounts",
    "users",
    "inboxes",
    "inbox_members",
    "contacts",
    "duplicate_resolutions",
    "contact_inboxes",
    "conversation_counters",
    "conversations",
    "messages",
)


@pytest.fixture(scope="module")
def both(server: Server, project: Project) -> Iterator[tuple[Connection, Connection]]:
    """A database seeded at head without features, and one seeded at the baseline and migrated; churn in both."""
    with scratch_database(server, "head") as head, scratch_database(server, "migrated") as migrated:
        plain = without_features(read_profile(ROW_SOURCE, project.seeds, "tiny"))
        seed_into(server, head, plain, 21, at="head", project=project)
        seed_into(server, migrated, "tiny", 21, project=project)
        runner.upgrade(server.conninfo(migrated), project)
        with connect(server.conninfo(head)) as one, connect(server.conninfo(migrated)) as other:
            yield one, other


def columns(connection: Connection, table: str) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped",
        (table,),
    ).fetchall()
    return sorted(name for (name,) in rows if name not in CLOCKED.get(table, ()))


def rows(connection: Connection, table: str, column: str) -> list[object]:
    key = {"inbox_members": "inbox_id, user_id", "conversation_counters": "account_id"}.get(table, "id")
    query = sql.SQL("SELECT {}::text FROM {} ORDER BY {}").format(
        sql.Identifier(column), sql.Identifier(table), sql.SQL(key)
    )
    return [value for (value,) in connection.execute(query)]


@pytest.mark.parametrize("table", TABLES)
def test_every_column_is_the_same(both: tuple[Connection, Connection], table: str) -> None:
    head, migrated = both
    assert columns(head, table) == columns(migrated, table) != []
    different = [
        column for column in columns(head, table) if rows(head, table, column) != rows(migrated, table, column)
    ]
    assert different == []


def test_the_schema_is_that_of_the_migrations(both: tuple[Connection, Connection]) -> None:
    head, migrated = both
    differences = compare(read_catalog(migrated), read_catalog(head))
    assert not differences, explain(differences)


def test_alembic_finds_the_head(both: tuple[Connection, Connection]) -> None:
    head, migrated = both
    query = "SELECT version_num FROM alembic_version"
    assert head.execute(query).fetchall() == migrated.execute(query).fetchall()


def test_rules_go_on_from_the_seeded_rows(both: tuple[Connection, Connection]) -> None:
    """Triggers are on again: the next conversation draws the next number, a message moves the clocks."""
    head, _ = both
    account, inbox, contact, last = head.execute("""
        SELECT c.account_id, c.inbox_id, c.contact_id, k.last_display_id
        FROM conversations c JOIN conversation_counters k USING (account_id) ORDER BY c.id LIMIT 1
    """).fetchone() or (0, 0, 0, 0)
    with head.transaction(force_rollback=True):
        row = head.execute(
            "INSERT INTO conversations (account_id, inbox_id, contact_id) VALUES (%s, %s, %s) "
            "RETURNING id, display_id, contact_inbox_id IS NOT NULL",
            (account, inbox, contact),
        ).fetchone()
        assert row is not None
        assert row[1:] == (last + 1, True)
        head.execute(
            "INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body) "
            "VALUES (%s, %s, %s, 'contact', %s, 'incoming', 'x')",
            (account, inbox, row[0], contact),
        )
        waiting = head.execute("SELECT waiting_since IS NOT NULL FROM conversations WHERE id = %s", (row[0],))
        assert waiting.fetchone() == (True,)
