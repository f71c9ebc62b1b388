"""Old metadata, split.

What:   fills additional_attributes and custom_attributes of the conversations that were there before the trigger.
        metadata is kept, for old code, until the last revision.
Why:    in batches of short transactions. An entry that new code has written meanwhile wins over the one in metadata.
        New code may count on the two columns from here on.
Locks:  row locks for the length of a batch.
Down:   leaves the columns filled: the revision below drops them, and filling them again changes nothing.
"""

from inboxbench.migrate import backfill, online

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

phase = 3
ids = ("C8", "P4")
kind = "backfill"

_FILL = backfill.Backfill(
    name="conversations.attributes",
    table="conversations",
    only="metadata <> '{}'",
    write=(
        """
        UPDATE conversations c
        SET (additional_attributes, custom_attributes) = (
            SELECT part.additional || c.additional_attributes, part.custom || c.custom_attributes
            FROM conversation_metadata_split(c.metadata) AS part)
        WHERE c.id = ANY(%(ids)s) AND NOT c.additional_attributes || c.custom_attributes @> c.metadata
        """,
    ),
)


def upgrade() -> None:
    backfill.fill(online.session(revision), _FILL)


def downgrade() -> None:
    backfill.forget(online.session(revision), _FILL.name)
