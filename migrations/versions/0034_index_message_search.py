"""Text search by trigrams.

What:   the extension pg_trgm and a GIN index on messages.body with gin_trgm_ops. New entries wait in a list until
        an insert finds it full and merges it: at the default of 4 MB that insert waited 0.6 s (1 M messages), at
        1 MB or less 0.13 s, for the same WAL. fastupdate off spreads the work, for half as much WAL again.
Why:    serves ILIKE '%part%' of three letters or more in any language; it is no full-text index and useless to @@.
        Trigrams are made of what the database's locale calls letters: in locale C Cyrillic is none, every search
        would scan the table, so the revision stops there instead.
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE on messages; reads and writes go on. What a failed build leaves
        behind is found and built anew. Slow to build: the step takes minutes on millions of rows.
Down:   drops the index, CONCURRENTLY too. The extension stays: others may use it, and it costs nothing.
"""

from inboxbench.errors import SubjectFailed
from inboxbench.migrate import online
from inboxbench.migrate.session import Session, short_transaction

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

phase = 4
ids = ("M9c",)
kind = "index"

_INDEX = "messages_body_trgm_idx"


def upgrade() -> None:
    db = online.session(revision)
    _require_available(db)
    short_transaction(db, "create extension pg_trgm", lambda: _create_extension(db))
    online.create_index(db, _INDEX, "messages", "USING gin (body gin_trgm_ops) WITH (gin_pending_list_limit = 512)")


def downgrade() -> None:
    online.drop_index(online.session(revision), _INDEX)


def _require_available(db: Session) -> None:
    available = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
    if db.connection.execute(available).fetchone() is None:
        raise SubjectFailed(
            f"{revision}: this server has no pg_trgm, which the index on messages.body needs; "
            "install PostgreSQL's contrib package on it, then run the upgrade again"
        )


def _create_extension(db: Session) -> None:
    """In one transaction with the question whether it will do, so that a refusal leaves nothing behind."""
    db.step("create extension pg_trgm")
    db.connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    row = db.connection.execute("SELECT cardinality(show_trgm('привет')), current_database()").fetchone()
    assert row is not None
    if row[0] == 0:
        raise SubjectFailed(
            f"{revision}: database {row[1]!r} has a locale in which Cyrillic is not made of letters, so trigrams "
            "cannot find it; restore it into a database with LOCALE 'C.UTF-8' (or an ICU locale), then upgrade that"
        )
