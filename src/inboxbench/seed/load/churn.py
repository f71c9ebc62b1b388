"""A past for a loaded database: updates, inserts and deletes as traffic leaves them, with all rows as they were.

Values do not change (an update writes what stood there, an inserted row is deleted again), so checksums and
every rule between rows still hold. What changes is the files: dead tuples, HOT chains, rows that moved to where
room was, gaps in the sequence, a visibility map with holes where the traffic was last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import LiteralString

from psycopg import sql

from inboxbench.database import Connection, connect
from inboxbench.messenger.data.profile import Churn
from inboxbench.seed.load.deferred_indexes import in_parallel

# Which rows: by a fixed scramble of the id, another one each round, in parts of 10,000.
_CHOSEN = sql.SQL("(id * 2654435761 + {round} * 40503) % 10000 < {parts}")
_UPDATE_CONVERSATIONS = sql.SQL(
    "UPDATE conversations SET updated_at = updated_at WHERE {chosen} OR status <> 'resolved'"
)
_UPDATE_MESSAGES = sql.SQL("UPDATE messages SET read_at = read_at WHERE {chosen} AND id > {after}")
# The last round touches the newest part of what an early round touches everywhere: a fifth of as many rows.
_NEWEST = 5
# Spam: stored, then removed by hand.
_INSERT_MESSAGES = sql.SQL("""
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, body, created_at)
    SELECT account_id, inbox_id, conversation_id, sender_type, sender_id, direction, left(body, 200), created_at
    FROM messages WHERE {chosen}
""")
_DELETE_MESSAGES = sql.SQL("DELETE FROM messages WHERE id > {last}")


def steps(churn: Churn) -> int:
    return 2 * churn.rounds + 4


def _chosen(share: float, number: int) -> sql.Composed:
    return _CHOSEN.format(round=sql.Literal(number), parts=sql.Literal(round(share * 10_000)))


def run_churn(conninfo: str, churn: Churn, done: Callable[[], None]) -> None:
    """Age the database; calls `done` after each step. Ends with fresh statistics and without a vacuum.

    Early rounds touch messages of all ages. The last one comes after a vacuum and touches the newest only, so
    that old pages are all-visible and the hot tail is not. The two tables age side by side: nothing that one
    leaves behind in a round is old enough for the other to see, so the files come out the same each time.
    """
    with connect(conninfo, synchronous_commit="off") as connection:
        # Repeated values are no news: the rules of the head schema must not take them for traffic.
        _switch_triggers(connection, "DISABLE")
        last = _spam(connection, churn)
        done()
        for number in range(churn.rounds):
            if number == churn.rounds - 1:
                in_parallel(conninfo, [sql.SQL("VACUUM messages"), sql.SQL("VACUUM conversations")], done)
            in_parallel(conninfo, _updates(churn, number, last), done)
        _switch_triggers(connection, "ENABLE")
        connection.execute("ANALYZE messages, conversations")
        done()


def _updates(churn: Churn, number: int, last: int) -> list[sql.Composed]:
    newest = number == churn.rounds - 1
    after = round(last * (1 - churn.messages_updated / _NEWEST)) if newest else 0
    share = 0.5 if newest else churn.messages_updated / max(1, churn.rounds - 1)
    return [
        _UPDATE_MESSAGES.format(chosen=_chosen(share, number), after=sql.Literal(after)),
        _UPDATE_CONVERSATIONS.format(chosen=_chosen(churn.conversations_updated, number)),
    ]


def _switch_triggers(connection: Connection, how: LiteralString) -> None:
    for table in ("messages", "conversations"):
        connection.execute(sql.SQL("ALTER TABLE {} {} TRIGGER USER").format(sql.Identifier(table), sql.SQL(how)))


def _spam(connection: Connection, churn: Churn) -> int:
    """Insert messages and delete them again; returns the last id that stays."""
    row = connection.execute("SELECT coalesce(max(id), 0) FROM messages").fetchone()
    last = int(row[0]) if row else 0
    connection.execute(_INSERT_MESSAGES.format(chosen=_chosen(churn.messages_deleted, 7)))
    connection.execute(_DELETE_MESSAGES.format(last=sql.Literal(last)))
    return last
