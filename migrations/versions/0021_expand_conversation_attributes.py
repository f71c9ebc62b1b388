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

from inboxbench.migrate import online
from inboxbench.migrate.baseline import run_script
from inboxbench.migrate.locks import short_transaction
from inboxbench.migrate.session import Session

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

phase = 3
ids = ("C8", "P4")
kind = "expand"

_SQL = Path(__file__).resolve().parents[1] / "sql"
_COLUMNS = ("additional_attributes", "custom_attributes")


def upgrade() -> None:
    db = online.session(revision)
    for column in _COLUMNS:
        online.add_column(db, "conversations", column, "jsonb", default="'{}'", not_null=True)
    _run(db, "let metadata and attributes follow each other", "conversation_metadata.sql")


def downgrade() -> None:
    db = online.session(revision)
    _run(db, "let metadata be alone", "conversation_metadata_drop.sql")
    for column in _COLUMNS:
        online.drop_column(db, "conversations", column)


def _run(db: Session, text: str, file: str) -> None:
    db.step(text)
    script = (_SQL / file).read_text(encoding="utf-8")
    short_transaction(db, text, lambda: run_script(db.connection, script))
