"""Both last-seen clocks for conversations that were there before.

What:   agent_last_seen_at = the later of assignee_last_read_at and the last read_at of an incoming message;
        contact_last_seen_at = the last read_at of an outgoing one. NULL when nobody has looked.
Why:    greatest() of what is there and what is computed: a newer value from the trigger or from new code stays.
Locks:  row locks (FOR NO KEY UPDATE) of one batch at a time, about 50 ms; a batch reads its conversations' messages.
Down:   forgets the record; the values go with their columns in 0018.
"""

from inboxbench.migrate import backfill, online

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

phase = 2
ids = ("C6", "P3")
kind = "backfill"

_SEEN = backfill.Backfill(
    name="conversations.last_seen",
    table="conversations",
    write=(
        """
        WITH read AS (
            SELECT conversation_id,
                   max(read_at) FILTER (WHERE direction = 'incoming') AS by_agent,
                   max(read_at) FILTER (WHERE direction = 'outgoing') AS by_contact
            FROM messages WHERE conversation_id = ANY(%(ids)s) AND read_at IS NOT NULL
            GROUP BY conversation_id
        ), computed AS (
            SELECT c.id, greatest(c.agent_last_seen_at, c.assignee_last_read_at, read.by_agent) AS agent,
                   greatest(c.contact_last_seen_at, read.by_contact) AS contact
            FROM conversations c LEFT JOIN read ON read.conversation_id = c.id
            WHERE c.id = ANY(%(ids)s)
        )
        UPDATE conversations c SET agent_last_seen_at = computed.agent, contact_last_seen_at = computed.contact
        FROM computed
        WHERE c.id = computed.id
          AND (c.agent_last_seen_at, c.contact_last_seen_at) IS DISTINCT FROM (computed.agent, computed.contact)
        """,
    ),
)


def upgrade() -> None:
    backfill.fill(online.session(revision), _SEEN)


def downgrade() -> None:
    backfill.forget(online.session(revision), _SEEN.name)
