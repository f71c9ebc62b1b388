"""Both clocks for conversations that were there before.

What:   first_reply_created_at = the first public message of a colleague. waiting_since = the first customer message
        after the last public reply; NULL when there is none, and in a resolved conversation, for which the baseline
        does not say when it was resolved. (One resolved and opened again before its batch comes counts as open.)
Why:    computed from all messages after the row lock is held, so it also puts right what the trigger could not know:
        that an older message had started the wait, or that an older reply was the first.
        Each conversation costs three short walks of messages_conversation_created_idx, however long it is.
Locks:  row locks (FOR NO KEY UPDATE) of one batch at a time, about 50 ms.
Down:   forgets the record; the values go with their columns in 0015.
"""

from inboxbench.migrate import backfill, online

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

phase = 2
ids = ("C3", "C5", "P3")
kind = "backfill"

_CLOCKS = backfill.Backfill(
    name="conversations.reply_clocks",
    table="conversations",
    write=(
        """
        WITH computed AS (
            SELECT c.id, c.status, asked.created_at AS waiting_since, first.created_at AS first_reply_created_at
            FROM conversations c
            LEFT JOIN LATERAL (
                SELECT m.created_at FROM messages m
                WHERE m.conversation_id = c.id
                  AND m.sender_type = 'user' AND m.message_type = 1 AND NOT m.private
                ORDER BY m.created_at, m.id LIMIT 1
            ) AS first ON true
            LEFT JOIN LATERAL (
                SELECT m.created_at, m.id FROM messages m
                WHERE m.conversation_id = c.id
                  AND m.sender_type IN ('user', 'bot') AND m.message_type = 1 AND NOT m.private
                ORDER BY m.created_at DESC, m.id DESC LIMIT 1
            ) AS answered ON true
            LEFT JOIN LATERAL (
                SELECT m.created_at FROM messages m
                WHERE m.conversation_id = c.id
                  AND m.sender_type = 'contact' AND m.message_type = 0 AND NOT m.private
                  AND (m.created_at, m.id) > (coalesce(answered.created_at, '-infinity'), coalesce(answered.id, 0))
                ORDER BY m.created_at, m.id LIMIT 1
            ) AS asked ON true
            WHERE c.id = ANY(%(ids)s)
        )
        UPDATE conversations c SET
            waiting_since = CASE WHEN c.status = 'resolved' THEN c.waiting_since ELSE computed.waiting_since END,
            first_reply_created_at = computed.first_reply_created_at
        FROM computed
        WHERE c.id = computed.id
          AND (c.first_reply_created_at IS DISTINCT FROM computed.first_reply_created_at
               OR c.status <> 'resolved' AND c.waiting_since IS DISTINCT FROM computed.waiting_since)
        """,
    ),
)


def upgrade() -> None:
    backfill.fill(online.session(revision), _CLOCKS)


def downgrade() -> None:
    backfill.forget(online.session(revision), _CLOCKS.name)
