"""M9c: trigrams find parts of words in both languages, and a database whose locale cannot is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from psycopg import sql

from inboxbench.catalog import invalid_indexes
from inboxbench.database import connect, drop_database, write_marker
from inboxbench.database_marks import database_name
from inboxbench.errors import SubjectFailed
from inboxbench.migrate import runner
from inboxbench.project import Project
from inboxbench.server import Server

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]


@pytest.mark.parametrize(("part", "word"), [("%аказ 1%", "заказ"), ("%REFUND please 2%", "refund")])
def test_a_part_of_a_word_is_found_by_the_index(messenger_at: At, part: str, word: str) -> None:
    messenger = messenger_at("0034")
    with messenger.connect() as connection:
        connection.execute("SET enable_seqscan = off")
        plan = "\n".join(
            line for (line,) in connection.execute("EXPLAIN SELECT FROM messages WHERE body ILIKE %s", (part,))
        )
        by_index = connection.execute(
            "SELECT id, body FROM messages WHERE body ILIKE %s ORDER BY id", (part,)
        ).fetchall()
        connection.execute("SET enable_seqscan = on; SET enable_bitmapscan = off")
        by_scan = connection.execute(
            "SELECT id, body FROM messages WHERE body ILIKE %s ORDER BY id", (part,)
        ).fetchall()
    assert "messages_body_trgm_idx" in plan
    assert by_index == by_scan
    assert by_index
    assert all(word in body for _, body in by_index)


def test_a_locale_without_cyrillic_is_refused_in_one_line(server: Server, project: Project) -> None:
    name = database_name("locale")
    with connect(server.conninfo()) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LOCALE 'C'")
        connection.execute(statement.format(sql.Identifier(name)))
        comment = sql.SQL("COMMENT ON DATABASE {} IS 'inboxbench: {{}}'")
        connection.execute(comment.format(sql.Identifier(name)))
    write_marker(server, name, {"kind": "test"})
    try:
        with pytest.raises(SubjectFailed, match=r"0034: database .* Cyrillic .* LOCALE 'C\.UTF-8'") as refusal:
            runner.upgrade(server.conninfo(name), project)
        assert "\n" not in str(refusal.value)
        assert runner.current(server.conninfo(name)) == "0033"
        with connect(server.conninfo(name)) as connection:
            assert invalid_indexes(connection) == ()
            assert connection.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'").fetchone() is None
    finally:
        drop_database(server, name)
