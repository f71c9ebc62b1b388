"""Where old conversations came in.

What:   an entry in contact_inboxes for each contact and inbox that have a conversation, dated as the contact, and
        contact_inbox_id on every old conversation.
Why:    in batches of short transactions, by the rule of the trigger: an entry that is there already is used.
Locks:  row locks for the length of a batch.
Down:   leaves the values: the revision below drops column and table.
"""

from inboxbench.migrate import backfill, online

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

phase = 4
ids = ("K1",)
kind = "backfill"

# Entries are made in the order of their first conversation: the same ids, however large the batches are.
# OFFSET 0: see the trigger's function in 0035.
_FILL = backfill.Backfill(
    name="conversations.contact_inbox_id",
    table="conversations",
    only="contact_inbox_id IS NULL",
    write=(
        """
        INSERT INTO contact_inboxes (contact_id, inbox_id, source_id, created_at, updated_at)
        SELECT c.contact_id, c.inbox_id, 'contact:' || c.contact_id, k.created_at, k.created_at
        FROM (SELECT contact_id, inbox_id, min(id) AS first_id FROM conversations
              WHERE id = ANY(%(ids)s) GROUP BY contact_id, inbox_id) AS c
        JOIN contacts k ON k.id = c.contact_id
        WHERE NOT EXISTS (
            SELECT FROM (SELECT inbox_id FROM contact_inboxes WHERE contact_id = c.contact_id OFFSET 0) AS own
            WHERE own.inbox_id = c.inbox_id)
        ORDER BY c.first_id
        ON CONFLICT (inbox_id, source_id) DO NOTHING
        """,
        """
        UPDATE conversations c
        SET contact_inbox_id = coalesce(
            (SELECT e.id FROM contact_inboxes e
             WHERE e.inbox_id = c.inbox_id AND e.source_id = 'contact:' || c.contact_id),
            (SELECT own.id
             FROM (SELECT id, inbox_id FROM contact_inboxes WHERE contact_id = c.contact_id OFFSET 0) AS own
             WHERE own.inbox_id = c.inbox_id ORDER BY own.id LIMIT 1))
        WHERE c.id = ANY(%(ids)s)
        """,
    ),
)


def upgrade() -> None:
    backfill.fill(online.session(revision), _FILL)


def downgrade() -> None:
    backfill.forget(online.session(revision), _FILL.name)
