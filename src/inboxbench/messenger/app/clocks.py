"""C3, C5, C7: a conversation's clocks moved by the application, as the alternative to the trigger (A5).

The trigger is what the messenger runs on: no writer can forget it. `move_clocks`
follows the same rules, so that a benchmark can compare the two with the trigger disabled. With it enabled nothing
more changes, because the rules give the same values however often they are applied.
"""

from __future__ import annotations

import datetime as dt

from inboxbench.database import Connection
from inboxbench.messenger.app.message import NewMessage

TRIGGER = "messages_conversation_clocks"  # on messages; a benchmark disables it by this name

# Computed from the row as it is now, in one statement: had the old values been read first, two writers could take
# each other's back.
_MOVE = """
    UPDATE conversations SET
        last_activity_at = greatest(last_activity_at, %(at)s),
        waiting_since = CASE
            WHEN %(asks)s THEN coalesce(waiting_since, %(at)s)
            WHEN NOT %(answers)s THEN waiting_since
        END,
        first_reply_created_at = CASE
            WHEN %(human)s THEN coalesce(first_reply_created_at, %(at)s)
            ELSE first_reply_created_at
        END
    WHERE id = %(id)s
"""


def move_clocks(connection: Connection, message: NewMessage, at: dt.datetime) -> None:
    """Do for a message stored at `at` what the trigger does for every row."""
    connection.execute(
        _MOVE,
        {
            "id": message.conversation_id,
            "at": at,
            "asks": message.asks,
            "answers": message.answers,
            "human": message.is_human_reply,
        },
    )
