"""Two kinds of attributes instead of one heap.

What:   additional_attributes (where the customer came from and with what: browser, OS, referrer …) and
        custom_attributes (fields that users of the messenger define) beside metadata, which held both. A trigger
        carries every change of metadata into them and every change of them back into metadata: old code goes on
        with metadata alone, new code with the columns alone, and each finds what the other wrote. Which key goes
        where is a list in sql/conversation_metadata.sql.
Why:    the trigger stands before the backfill begins, so that no row is missed. It carries changes over entry by
        entry, never whole values, so rows that are not filled yet lose nothing.
Locks:  ACCESS EXCLUSIVE on conversations for each column, whose default is a constant, SHARE ROW EXCLUSIVE for the
        triggers; each for an instant and under lock_timeout.
Down:   drops the columns. metadata holds all that is in them; an entry that sat in the column where its key does
        not belong is marked with its place, and a later upgrade puts it there again.
"""

from pathlib import Path

from psycopg import sql

from inboxbench.migrate import online

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

phase = 3
ids = ("C8", "P4")
kind = "expand"

_FOLDER = Path(__file__).resolve().parents[1] / "sql"
_INSTALL, _REMOVE = (
    sql.SQL((_FOLDER / file).read_text(encoding="utf-8"))
    for file in ("conversation_metadata.sql", "conversation_metadata_drop.sql")
)


def upgrade() -> None:
    db = online.session(revision)
    for column in ("additional_attributes", "custom_attributes"):
        online.add_column(db, "conversations", column, "jsonb", default="'{}'", not_null=True)
    online.run(db, "let metadata and attributes follow each other", _INSTALL)


def downgrade() -> None:
    """In one transaction: what is written to the columns until they go has reached metadata."""
    online.run(
        online.session(revision),
        "drop additional_attributes and custom_attributes, and what keeps them like metadata",
        _REMOVE,
        "ALTER TABLE conversations DROP COLUMN IF EXISTS additional_attributes",
        "ALTER TABLE conversations DROP COLUMN IF EXISTS custom_attributes",
    )
