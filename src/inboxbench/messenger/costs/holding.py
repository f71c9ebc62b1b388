"""Who holds a conversation and how it stands: assignment, capacity, mute, snooze, and the line that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from inboxbench.database import Connection
from inboxbench.messenger.app import assignment, handover
from inboxbench.messenger.app.activity import record
from inboxbench.messenger.app.automatic import assign_next
from inboxbench.messenger.app.lifecycle import change_status, mute, reopen_due
from inboxbench.messenger.app.message import Actor
from inboxbench.messenger.costs.measure import AGENT, INBOX, Act, Alternative, Rule, conversation_of
from inboxbench.project import find_project
from inboxbench.race.strategy import Strategy, read_strategies

_ANN = Actor("user", AGENT)
_LIMIT = 100  # far from reached: the cost is that of asking; the SQL below says it too


@cache
def _strategies() -> Mapping[str, Strategy]:
    return read_strategies(find_project())


def _take(name: str) -> Act:
    """Take by a strategy of bench/strategies."""

    def act(connection: Connection, _number: int) -> None:
        _strategies()[name].attempt(connection, AGENT, {"inbox": INBOX})

    return act


TAKE = Rule(
    "take",
    "an agent takes the oldest free conversation (nobody else about)",
    "claim",
    ("A1", "P1.2"),
    (
        Alternative(
            "one-statement",
            "SKIP LOCKED and UPDATE in one",
            _take("skip-locked-one"),
            ("take", "one-statement-skip-locked"),
            ours=True,
        ),
        Alternative("two-statements", "SELECT … SKIP LOCKED, UPDATE", _take("skip-locked"), ("take", "skip-locked")),
        Alternative(
            "compare-and-set", "SELECT, UPDATE … WHERE free", _take("compare-and-set"), ("take", "compare-and-set")
        ),
    ),
)


def _automatic(connection: Connection, _number: int) -> None:
    assign_next(connection, INBOX, "least_loaded", limit=_LIMIT)


_LOADS = """
    CREATE TABLE agent_load (user_id bigint PRIMARY KEY, held int NOT NULL DEFAULT 0) WITH (fillfactor = 50);
    INSERT INTO agent_load SELECT user_id FROM inbox_members WHERE inbox_id = 1
"""
_RAISE = """
    UPDATE agent_load SET held = held + 1 WHERE held < 100 AND user_id = (
        SELECT user_id FROM agent_load WHERE held < 100 ORDER BY held, user_id LIMIT 1) RETURNING user_id
"""
_SLOTS = """
    CREATE TABLE slot (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id bigint NOT NULL, conversation_id bigint
    ) WITH (fillfactor = 50);
    INSERT INTO slot (user_id)
    SELECT user_id FROM generate_series(1, 100) AS turn, inbox_members WHERE inbox_id = 1 ORDER BY turn, user_id;
    CREATE INDEX slot_free_idx ON slot (id) WHERE conversation_id IS NULL
"""
_FILL = """
    WITH free AS MATERIALIZED (
        SELECT id FROM slot WHERE conversation_id IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    UPDATE slot SET conversation_id = %s FROM free WHERE slot.id = free.id RETURNING user_id
"""


def _by_counter(connection: Connection, _number: int) -> None:
    found = assignment.lock_next_free(connection, INBOX)
    agent = connection.execute(_RAISE.encode()).fetchone()
    if found is not None and agent is not None:
        assignment.overwrite_assignee(connection, found, agent[0])


def _by_slot(connection: Connection, _number: int) -> None:
    found = assignment.lock_next_free(connection, INBOX)
    agent = connection.execute(_FILL, (found,)).fetchone()
    if found is not None and agent is not None:
        assignment.overwrite_assignee(connection, found, agent[0])


AUTOMATIC = Rule(
    "automatic",
    "the oldest free conversation goes to the agent with least, below a limit",
    "assignment",
    ("A2", "P1.2"),
    (
        Alternative(
            "guard-and-count",
            "write the inbox's row, count loads over an index, assign",
            _automatic,
            ("limit", "write-then-count"),
            ours=True,
        ),
        Alternative("counter", "a counter for each agent", _by_counter, ("limit", "counter"), setup=_LOADS),
        Alternative("slots", "a free slot by SKIP LOCKED", _by_slot, ("limit", "slots"), setup=_SLOTS),
    ),
)


def _by_handover(connection: Connection, number: int) -> None:
    handover.assign(connection, conversation_of(number), AGENT, _ANN)


def _silently(connection: Connection, number: int) -> None:
    assignment.assign(connection, conversation_of(number), AGENT)


def _locked_then_told(connection: Connection, number: int) -> None:
    talk = conversation_of(number)
    row = connection.execute("SELECT assignee_id FROM conversations WHERE id = %s FOR UPDATE", (talk,)).fetchone()
    if row is not None and row[0] is None:
        assignment.overwrite_assignee(connection, talk, AGENT)
        record(connection, [talk], handover.assigned(AGENT, _ANN))


_TELLING = """
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type,
                              body)
        SELECT NEW.account_id, NEW.inbox_id, NEW.id, 'user', NEW.assignee_id, 'outgoing', 2,
               name || ' took the conversation' FROM users WHERE id = NEW.assignee_id;
        RETURN NULL;
    END $$;
    CREATE TRIGGER tell AFTER UPDATE OF assignee_id ON conversations FOR EACH ROW
    WHEN (OLD.assignee_id IS DISTINCT FROM NEW.assignee_id) EXECUTE FUNCTION tell()
"""

ACTIVITY = Rule(
    "activity",
    "a conversation is assigned, and one line tells of it",
    "assignment",
    ("A1", "A3"),
    (
        Alternative(
            "compare-then-tell",
            "the line after a compare-and-set that hit",
            _by_handover,
            ("assign", "compare-and-set"),
            ours=True,
        ),
        Alternative("lock-then-tell", "lock, look, write, line", _locked_then_told, ("assign", "for-update")),
        Alternative("trigger", "a trigger writes the line", _silently, ("assign", "compare-and-set"), setup=_TELLING),
        Alternative("none", "no line", _silently, ("assign", "compare-and-set")),
    ),
)


def _mute(connection: Connection, number: int) -> None:
    mute(connection, conversation_of(number), _ANN)


_AT_ONCE = """
    WITH old AS MATERIALIZED (
        SELECT id, contact_id FROM conversations WHERE id = %s AND status <> 'resolved' FOR NO KEY UPDATE
    ), blocked AS (
        UPDATE contacts SET blocked = true, updated_at = now() FROM old
        WHERE contacts.id = old.contact_id AND NOT blocked
    )
    UPDATE conversations c SET status = 'resolved', updated_at = now() FROM old WHERE c.id = old.id
"""


def _mute_at_once(connection: Connection, number: int) -> None:
    connection.execute(_AT_ONCE, (conversation_of(number),))


def _resolve_only(connection: Connection, number: int) -> None:
    change_status(connection, conversation_of(number), "resolved", _ANN)


MUTE = Rule(
    "mute",
    "a conversation is resolved and its contact blocked",
    "mute",
    ("A4", "A3"),
    (
        Alternative("mute", "lock, block, resolve, line", _mute, ("lock order", "one-order"), ours=True),
        Alternative("at-once", "both in one statement, without a line", _mute_at_once, ("lock order", "one-order")),
        Alternative("resolve", "resolved with its line, nobody blocked", _resolve_only, ("assign", "compare-and-set")),
    ),
)

_BATCH = 10
_SNOOZED = "UPDATE conversations SET status = 'snoozed', snoozed_until = now() - interval '1 hour'"


def _reopen_batch(connection: Connection, _number: int) -> None:
    reopen_due(connection, _BATCH)


_DUE = """
    SELECT id FROM conversations WHERE status = 'snoozed' AND snoozed_until <= now() ORDER BY snoozed_until LIMIT %s
"""


def _reopen_each(connection: Connection, _number: int) -> None:
    for (talk,) in connection.execute(_DUE, (_BATCH,)).fetchall():
        change_status(connection, talk, "open", Actor("bot"), expected="snoozed")


SNOOZE = Rule(
    "snooze",
    "snoozed conversations whose time has come are reopened, with a line each",
    "conversation",
    ("C4", "A3"),
    (
        Alternative(
            "batch",
            "ten at a time by SKIP LOCKED",
            _reopen_batch,
            ("snooze", "skip-locked"),
            ours=True,
            setup=_SNOOZED,
            units=_BATCH,
        ),
        Alternative(
            "each",
            "find ten, then a compare-and-set each",
            _reopen_each,
            ("snooze", "returning"),
            setup=_SNOOZED,
            units=_BATCH,
        ),
    ),
)
