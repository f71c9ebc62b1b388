"""The application of before the migration, with the baseline's columns and no other, beside every revision."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from inboxbench.migrate.session import Event, RevisionApplied
from inboxbench.project import Project
from inboxbench.traffic.file import read_project_traffic

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

INSERT_EVERYTHING = [
    "INSERT INTO accounts (name, locale, created_at, updated_at) VALUES ('new', 'ru', now(), now())",
    """INSERT INTO users (account_id, name, email, role, created_at, updated_at)
       SELECT max(id), 'Анна', 'anna@example.org', 'administrator', now(), now() FROM accounts""",
    "INSERT INTO inboxes (account_id, name, created_at, updated_at) SELECT max(id), 'mail', now(), now() FROM accounts",
    """INSERT INTO inbox_members (inbox_id, user_id, created_at)
       VALUES ((SELECT max(id) FROM inboxes), (SELECT max(id) FROM users), now())""",
    """INSERT INTO contacts (account_id, name, email, phone_number, external_id, created_at, updated_at)
       SELECT max(id), 'Ivan', 'ivan@example.org', '+1', 'crm-' || max(id), now(), now() FROM accounts""",
    """INSERT INTO conversations (uuid, account_id, inbox_id, contact_id, assignee_id, status, assignee_assigned_at,
                                  assignee_last_read_at, branch, region, rating_score, rating_comment, rated_at,
                                  created_at, updated_at)
       SELECT gen_random_uuid(), account_id, id, (SELECT max(id) FROM contacts), (SELECT max(id) FROM users), 'pending',
              now(), now(), 'b', 'r', 5, 'good', now(), now(), now() FROM inboxes ORDER BY id DESC LIMIT 1""",
    """INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body, read_at,
                             created_at)
       SELECT account_id, inbox_id, id, 'contact', contact_id, 'incoming', 'привет', now(), now()
       FROM conversations ORDER BY id DESC LIMIT 1""",
]
UPDATE_EVERYTHING = [
    "UPDATE accounts SET name = 'renamed', updated_at = now() WHERE id = 1",
    "UPDATE users SET role = 'agent', updated_at = now() WHERE id = 1",
    "UPDATE contacts SET name = 'renamed', external_id = 'crm-x' || id || random(), updated_at = now() WHERE id = 1",
    """UPDATE conversations SET assignee_id = 12, assignee_assigned_at = now(), assignee_last_read_at = now(),
              status = 'resolved', branch = 'x', rating_score = 1, rated_at = now(), updated_at = now() WHERE id = 1""",
    "UPDATE conversations SET status = 'open' WHERE id = 1",
    "UPDATE messages SET read_at = now(), body = 'edited' WHERE conversation_id = 11",
    "DELETE FROM messages WHERE id = (SELECT max(id) FROM messages)",
    "DELETE FROM conversations WHERE id = (SELECT max(id) FROM conversations)",
    "DELETE FROM contacts WHERE id = (SELECT max(id) FROM contacts)",
]
# The baseline's own column that the last revision takes away; code that reads it must be gone by then.
METADATA = """UPDATE conversations SET metadata = metadata || '{"seen": true, "browser": "Safari"}' WHERE id = 2"""
HAS_METADATA = """
    SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'conversations'::regclass AND attname = 'metadata')
"""


def test_old_code_works_after_every_revision(filled: Messenger) -> None:
    """All of it after each revision; in each, it inserts, updates and deletes rows of every table."""
    survived: list[str] = []
    with filled.connect() as connection:

        def live(event: Event) -> None:
            if isinstance(event, RevisionApplied):
                for statement in INSERT_EVERYTHING + UPDATE_EVERYTHING:
                    connection.execute(statement.encode())
                if filled.value(HAS_METADATA):
                    connection.execute(METADATA)
                survived.append(event.revision)

        run = filled.up(listener=live)
    assert survived == [applied.revision.revision for applied in run.revisions]


def test_the_traffic_we_measure_with_is_old_code(filled: Messenger, project: Project) -> None:
    """Its statements run on the bare baseline and at head."""

    def run_all() -> None:
        with filled.connect() as connection:
            random = Random(1)
            for item in read_project_traffic(project.traffic, connection):
                for statement in item.statements:
                    connection.execute(statement, item.draw(random))

    run_all()
    filled.up()
    run_all()


def test_rows_of_old_code_equal_rows_of_new_code(messenger_at: Callable[[str], Messenger]) -> None:
    """What the triggers make of an old insert is what new code would have written itself."""
    messenger = messenger_at("0019")
    old = """INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, body)
             SELECT account_id, inbox_id, id, 'user', 'outgoing', 'x' FROM conversations WHERE id = 11"""
    new = """INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, direction, body, message_type,
                                   content_type, private)
             SELECT account_id, inbox_id, id, 'user', 'outgoing', 'x', 1, 0, false FROM conversations WHERE id = 11"""
    messenger.execute(old)
    messenger.execute(new)
    ((first,), (second,)) = messenger.rows(
        "SELECT to_jsonb(m) - 'id' - 'created_at' FROM messages m ORDER BY id DESC LIMIT 2"
    )
    assert first == second
