"""metadata is gone.

What:   drops conversations.metadata and the triggers that kept it and the two attribute columns alike.
Why:    all of it is in additional_attributes and custom_attributes. From here on old code, which writes metadata,
        fails: this revision belongs to the release after the last one that knew the column.
Locks:  ACCESS EXCLUSIVE on conversations for an instant each, under lock_timeout; dropping a column rewrites nothing.
Down:   adds the column and the triggers again, then merges the two columns back into it, in batches.
"""

from pathlib import Path

from psycopg import sql

from inboxbench.migrate import backfill, online

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

phase = 4  # C8 is of phase 3, but the history is one line and this is its last step
ids = ("C8", "P4")
kind = "contract"

_FOLDER = Path(__file__).resolve().parents[1] / "sql"
_INSTALL, _REMOVE = (
    sql.SQL((_FOLDER / file).read_text(encoding="utf-8"))
    for file in ("conversation_metadata.sql", "conversation_metadata_drop.sql")
)

_MERGE = backfill.Backfill(
    name="conversations.metadata",
    table="conversations",
    write=(
        """
        UPDATE conversations SET metadata = conversation_metadata_merge(additional_attributes, custom_attributes)
        WHERE id = ANY(%(ids)s)
          AND metadata <> conversation_metadata_merge(additional_attributes, custom_attributes)
        """,
    ),
)


def upgrade() -> None:
    """In one transaction: what old code writes to metadata until it goes has reached the columns."""
    db = online.session(revision)
    backfill.forget(db, _MERGE.name)
    online.run(
        db,
        "drop conversations.metadata, and what keeps the attributes like it",
        _REMOVE,
        "ALTER TABLE conversations DROP COLUMN IF EXISTS metadata",
    )


def downgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "conversations", "metadata", "jsonb", default="'{}'", not_null=True)
    online.run(db, "let metadata and attributes follow each other", _INSTALL)
    backfill.fill(db, _MERGE)
