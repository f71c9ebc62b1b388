"""Writing a message: its clocks, its announcement, the flood limit, and a delivery that comes twice."""

from __future__ import annotations

from psycopg import errors, sql

from inboxbench.database import Connection
from inboxbench.messenger.app import posting
from inboxbench.messenger.app.message import NOTIFY, NewMessage, incoming
from inboxbench.messenger.app.posting import post
from inboxbench.messenger.costs.measure import CUSTOMER, Act, Alternative, Rule, conversation_of

_NO_CLOCKS = f"ALTER TABLE messages DISABLE TRIGGER {posting.TRIGGER}"
_NO_FLOOD = "ALTER TABLE messages DISABLE TRIGGER messages_flood"
_BARE = f"{_NO_CLOCKS}; {_NO_FLOOD}"


def _question(number: int, *, talk: int | None = None) -> NewMessage:
    return incoming(talk or conversation_of(number), CUSTOMER, f"question number {number}")


def _by_trigger(connection: Connection, number: int) -> None:
    post(connection, _question(number))


def _by_application(connection: Connection, number: int) -> None:
    post(connection, _question(number), clocks="application")


_RECOUNT = """
    UPDATE conversations c SET
        last_activity_at = (SELECT max(m.created_at) FROM messages m WHERE m.conversation_id = c.id),
        first_reply_created_at = (SELECT min(m.created_at) FROM messages m
            WHERE m.conversation_id = c.id AND m.message_type = 1 AND m.sender_type = 'user' AND NOT m.private),
        waiting_since = (SELECT min(m.created_at) FROM messages m
            WHERE m.conversation_id = c.id AND m.message_type = 0 AND m.created_at > coalesce((
                SELECT max(r.created_at) FROM messages r WHERE r.conversation_id = c.id AND r.message_type = 1
                  AND NOT r.private), '-infinity'))
    WHERE c.id = %s
"""


def _by_recount(connection: Connection, number: int) -> None:
    post(connection, _question(number))
    connection.execute(_RECOUNT, (conversation_of(number),))


CLOCKS = Rule(
    "clocks",
    "a message moves last_activity_at, waiting_since and first_reply_created_at",
    "message",
    ("C3", "C5", "C7", "A5"),
    (
        Alternative(
            "trigger", "one UPDATE by the messages' trigger", _by_trigger, ("last_activity_at", "greatest"), ours=True
        ),
        Alternative(
            "application",
            "the same UPDATE, sent by the application",
            _by_application,
            ("last_activity_at", "greatest"),
            setup=_NO_CLOCKS,
        ),
        Alternative(
            "recount",
            "computed from the conversation's messages each time",
            _by_recount,
            ("last_activity_at", "recompute"),
            setup=_NO_CLOCKS,
        ),
        Alternative("none", "no clocks at all: what the message alone costs", _by_trigger, setup=_NO_CLOCKS),
    ),
)

_INSERT = sql.SQL("""
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
    VALUES (1, 1, %s, 'contact', 1, 'incoming', 0, %s)
""")
_AND_NOTIFY = sql.SQL("WITH m AS ({} RETURNING *) SELECT {} FROM m").format(_INSERT, NOTIFY)
_AND_OUTBOX = sql.SQL("WITH m AS ({} RETURNING id) INSERT INTO outbox (message_id) SELECT id FROM m").format(_INSERT)
_OUTBOX = """
    CREATE TABLE outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, message_id bigint NOT NULL)
"""


def _write(statement: sql.SQL | sql.Composed) -> Act:
    def act(connection: Connection, number: int) -> None:
        connection.execute(statement, (conversation_of(number), f"question number {number}"))

    return act


def _notify_apart(connection: Connection, number: int) -> None:
    _write(_INSERT)(connection, number)
    connection.execute("SELECT pg_notify('inboxbench_account_1', %s)", (f'{{"message": {number}}}',))


NOTIFICATION = Rule(
    "notification",
    "a message is announced to those who listen",
    "message",
    ("A5",),
    (
        Alternative(
            "notify",
            "pg_notify in the statement that inserts",
            _write(_AND_NOTIFY),
            ours=True,
            setup=_BARE,
        ),
        Alternative("notify-apart", "pg_notify as a statement of its own", _notify_apart, setup=_BARE),
        Alternative(
            "outbox",
            "a row in a table that a worker polls",
            _write(_AND_OUTBOX),
            setup=f"{_BARE}; {_OUTBOX}",
        ),
        Alternative("none", "nobody is told", _write(_INSERT), setup=_BARE),
    ),
)

_FLOOD_ROW = """
    CREATE TABLE flood (
        conversation_id bigint, minute timestamptz, n int NOT NULL, PRIMARY KEY (conversation_id, minute)
    ) WITH (fillfactor = 70)
"""
_COUNT_UP = """
    INSERT INTO flood VALUES (%s, date_trunc('minute', now()), 1)
    ON CONFLICT (conversation_id, minute) DO UPDATE SET n = flood.n + 1 WHERE flood.n < 100000 RETURNING n
"""
_BUSY = 1  # all in one conversation: what counting costs grows with what there is to count


def _busy(connection: Connection, number: int) -> None:
    connection.execute("SELECT set_config('inboxbench.flood_limit', '100000', true)")
    post(connection, _question(number, talk=_BUSY))


def _busy_by_row(connection: Connection, number: int) -> None:
    connection.execute(_COUNT_UP, (_BUSY,))
    post(connection, _question(number, talk=_BUSY))


def _busy_unlimited(connection: Connection, number: int) -> None:
    post(connection, _question(number, talk=_BUSY))


def _busy_by_application(connection: Connection, number: int) -> None:
    connection.execute("SELECT FROM conversations WHERE id = %s FOR NO KEY UPDATE", (_BUSY,))
    connection.execute(
        "SELECT count(*) FROM messages WHERE conversation_id = %s AND created_at >= now() - interval '1 minute'",
        (_BUSY,),
    )
    post(connection, _question(number, talk=_BUSY))


FLOOD = Rule(
    "flood",
    "a conversation takes 200 messages a minute (here in one that has as many)",
    "message",
    ("M8", "P1.1"),
    (
        Alternative(
            "trigger",
            "the trigger locks the conversation and counts (its limit raised by a statement)",
            _busy,
            ("limit", "lock-then-count"),
            ours=True,
        ),
        Alternative(
            "application",
            "the application locks, counts, then inserts",
            _busy_by_application,
            ("limit", "lock-then-count"),
            setup=_NO_FLOOD,
        ),
        Alternative(
            "counter",
            "a counter row for each conversation and minute",
            _busy_by_row,
            ("limit", "counter"),
            setup=f"{_NO_FLOOD}; {_FLOOD_ROW}",
        ),
        Alternative("none", "no limit", _busy_unlimited, setup=_NO_FLOOD),
    ),
)

_KEYED = """
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                          source_id)
    VALUES (1, 1, %(talk)s, 'contact', 1, 'incoming', 0, 'delivered', %(key)s)
"""
_LOOK = "SELECT id FROM messages WHERE inbox_id = 1 AND source_id = %(key)s"
_KEYS = "UPDATE messages SET source_id = 'key ' || (id - (SELECT min(id) FROM messages))"


def _parameters(number: int, *, again: bool) -> dict[str, object]:
    return {"talk": conversation_of(number), "key": f"key {number}" if again else f"new {number}"}


def _on_conflict(*, again: bool) -> Act:
    def act(connection: Connection, number: int) -> None:
        parameters = _parameters(number, again=again)
        row = connection.execute(f"{_KEYED} ON CONFLICT DO NOTHING RETURNING id".encode(), parameters).fetchone()
        if row is None:
            connection.execute(_LOOK, parameters)

    return act


def _posted(*, again: bool) -> Act:
    def act(connection: Connection, number: int) -> None:
        parameters = _parameters(number, again=again)
        post(connection, incoming(conversation_of(number), CUSTOMER, "delivered", source_id=str(parameters["key"])))

    return act


def _advisory(*, again: bool) -> Act:
    def act(connection: Connection, number: int) -> None:
        parameters = _parameters(number, again=again)
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%(key)s, 1))", parameters)
        if connection.execute(_LOOK, parameters).fetchone() is None:
            connection.execute(_KEYED, parameters)

    return act


def _caught(*, again: bool) -> Act:
    def act(connection: Connection, number: int) -> None:
        parameters = _parameters(number, again=again)
        connection.execute("SAVEPOINT delivery")
        try:
            connection.execute(_KEYED, parameters)
        except errors.UniqueViolation:
            connection.execute("ROLLBACK TO SAVEPOINT delivery")
            connection.execute(_LOOK, parameters)

    return act


def _delivery(name: str, title: str, *, again: bool) -> Rule:
    return Rule(
        name,
        title,
        "delivery",
        ("M1", "M6"),
        (
            Alternative(
                "post",
                "messenger.posting: lock, look and insert in one statement, reopen",
                _posted(again=again),
                ("source_id", "on-conflict"),
                ours=True,
                setup=_KEYS,
            ),
            Alternative(
                "on-conflict",
                "INSERT … ON CONFLICT DO NOTHING, look when nothing came back",
                _on_conflict(again=again),
                ("source_id", "on-conflict"),
                setup=_KEYS,
            ),
            Alternative(
                "unique",
                "INSERT in a savepoint, catch the error of the unique index",
                _caught(again=again),
                ("source_id", "unique"),
                setup=_KEYS,
            ),
            Alternative(
                "advisory",
                "advisory lock on the key, look, insert",
                _advisory(again=again),
                ("source_id", "advisory"),
                setup=_KEYS,
            ),
        ),
    )


DELIVERY = _delivery("delivery", "an outside message comes for the first time", again=False)
REDELIVERY = _delivery("redelivery", "an outside message comes again", again=True)
