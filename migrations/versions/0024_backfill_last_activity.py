"""When old conversations were last heard of.

What:   last_activity_at = the newest message of the conversation, or created_at where there is none.
Why:    the row is locked first, so a message that commits meanwhile has moved last_activity_at already and is kept
        (GREATEST). The newest message is one descent of the index of 0004.
Locks:  row locks for the length of a batch: a message into one of its conversations waits that long.
Down:   leaves the values: the revision below drops the column.
"""

from inboxbench.migrate import backfill, online

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

phase = 4
ids = ("C7",)
kind = "backfill"

_FILL = backfill.Backfill(
    name="conversations.last_activity_at",
    table="conversations",
    write=(
        """
        UPDATE conversations c SET last_activity_at = greatest(c.last_activity_at, heard.at)
        FROM (SELECT id, coalesce((SELECT max(m.created_at) FROM messages m WHERE m.conversation_id = old.id),
                                  old.created_at) AS at
              FROM conversations old WHERE old.id = ANY(%(ids)s)) AS heard
        WHERE c.id = heard.id AND (c.last_activity_at IS NULL OR c.last_activity_at < heard.at)
        """,
    ),
)


def upgrade() -> None:
    backfill.fill(online.session(revision), _FILL)


def downgrade() -> None:
    backfill.forget(online.session(revision), _FILL.name)
