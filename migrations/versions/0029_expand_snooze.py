"""Not now: snoozed until.

What:   conversations.snoozed_until and the status `snoozed`. A trigger clears snoozed_until whenever the status is
        another one. reopen_snoozed(batch) opens conversations that are due, at most `batch` of them, and returns
        their ids; rows that another worker has locked are skipped, so any number of workers can share the job.
Why:    the wider CHECK is added NOT VALID and validated before it takes the old one's place and name: at every
        moment one of them holds. Old code never writes `snoozed`; it may read it from here on.
Locks:  ACCESS EXCLUSIVE on conversations for the column and twice for the CHECK, SHARE ROW EXCLUSIVE for the
        trigger, each for an instant and under lock_timeout; SHARE UPDATE EXCLUSIVE while the CHECK is validated.
Down:   opens what is snoozed, in batches, since old code knows neither the status nor the time; then drops all.
        When a conversation was to come back is lost.
"""

from typing import LiteralString

from psycopg import sql

from inboxbench.migrate import online
from inboxbench.migrate.session import Session, short_transaction

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

phase = 4
ids = ("C4",)
kind = "expand"

_CHECK, _NEW_CHECK = "conversations_status_check", "conversations_status_check_next"
_WITH_SNOOZED: LiteralString = "status IN ('open', 'pending', 'resolved', 'snoozed')"
_WITHOUT_SNOOZED: LiteralString = "status IN ('open', 'pending', 'resolved')"

_CLEAR = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.snoozed_until := NULL;
    RETURN NEW;
END
$$"""

_REOPEN = """
    CREATE OR REPLACE FUNCTION reopen_snoozed(batch integer DEFAULT 100) RETURNS SETOF bigint LANGUAGE sql AS $$
        WITH due AS (
            SELECT id FROM conversations
            WHERE status = 'snoozed' AND snoozed_until <= now()
            ORDER BY snoozed_until
            LIMIT batch
            FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE conversations c SET status = 'open', updated_at = now()
        FROM due WHERE c.id = due.id
        RETURNING c.id
    $$
"""

_WAKE = """
    UPDATE conversations SET status = 'open'
    WHERE id IN (SELECT id FROM conversations WHERE status = 'snoozed' LIMIT 500)
"""


def upgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "conversations", "snoozed_until", "timestamptz")
    _replace_check(db, _WITH_SNOOZED)
    online.create_function(db, "conversations_clear_snooze", _CLEAR)
    online.create_trigger(
        db,
        "conversations",
        "conversations_snooze",
        "BEFORE INSERT OR UPDATE",
        "conversations_clear_snooze",
        condition="NEW.status <> 'snoozed' AND NEW.snoozed_until IS NOT NULL",
    )
    online.run(db, "create function reopen_snoozed", _REOPEN)


def downgrade() -> None:
    db = online.session(revision)
    online.run(db, "drop function reopen_snoozed", "DROP FUNCTION IF EXISTS reopen_snoozed(integer)")
    _wake_all(db)
    _replace_check(db, _WITHOUT_SNOOZED)
    online.drop_trigger(db, "conversations", "conversations_snooze")
    online.drop_function(db, "conversations_clear_snooze")
    online.drop_column(db, "conversations", "snoozed_until")


def _replace_check(db: Session, condition: LiteralString) -> None:
    """The new rule is in force before the old one goes. Rows snoozed since the last look are woken in between."""
    online.add_constraint(db, "conversations", _NEW_CHECK, sql.SQL("CHECK ({})").format(sql.SQL(condition)))
    if condition == _WITHOUT_SNOOZED:
        _wake_all(db)
    online.validate_constraint(db, "conversations", _NEW_CHECK)
    online.run(
        db,
        f"let {_NEW_CHECK} take the place of {_CHECK}",
        f"ALTER TABLE conversations DROP CONSTRAINT {_CHECK}",
        f"ALTER TABLE conversations RENAME CONSTRAINT {_NEW_CHECK} TO {_CHECK}",
    )


def _wake_all(db: Session) -> None:
    db.step("open all snoozed conversations")
    while short_transaction(db, "open snoozed conversations", lambda: db.connection.execute(_WAKE).rowcount):
        pass
