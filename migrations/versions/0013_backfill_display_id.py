"""Numbers for the conversations that were there before.

What:   1. opens each account: waits for the inserts in flight, counts its conversations and starts its counter there,
           so every later insert draws a number above. 2. One query numbers the old ones, 1 to count by (created_at,
           id), into a plan table. 3. Batches copy the numbers over. 4. The plan table goes.
Why:    the plan is made once, by one snapshot, after which no row without a number can be added: batches, crashes
        and inserts cannot change it. Opened first, so there is no moment at which two rows could get one number.
        Rows that were written past the triggers (session_replication_role = replica) are swept up at the end.
Locks:  opening blocks inserts into that one account while it counts: 20 ms for 17,000 conversations, 70 ms for
        505,000 after VACUUM and 170 ms before it (PostgreSQL 18, two busy cores). Waiting for an insert in flight
        it holds others up for lock_timeout at most. Then row locks of one batch at a time, about 50 ms.
Down:   forgets the record; counters stay open and numbers go with their column in 0012.
"""

from inboxbench.migrate import backfill, facts, online
from inboxbench.migrate.session import Session, short_transaction

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

phase = 2
ids = ("C1", "P3")
kind = "backfill"

_PLAN = "conversation_display_plan"
_NUMBERS = backfill.Backfill(
    name="conversations.display_id",
    table="conversations",
    only="display_id IS NULL",
    write=(
        """UPDATE conversations c SET display_id = plan.display_id FROM conversation_display_plan plan
           WHERE plan.id = c.id AND c.id = ANY(%(ids)s)""",
    ),
)
_MISSING_COUNTERS = """
    INSERT INTO conversation_counters (account_id) SELECT id FROM accounts ON CONFLICT DO NOTHING
"""
_SHUT = "SELECT account_id FROM conversation_counters WHERE last_display_id IS NULL ORDER BY account_id"
_KEEP_INSERTS_OUT = "SELECT pg_advisory_xact_lock(hashtextextended('conversation_counters', %s))"
_OPEN = """
    UPDATE conversation_counters k
    SET last_display_id = (SELECT count(*) FROM conversations c WHERE c.account_id = k.account_id)
    WHERE account_id = %s AND last_display_id IS NULL
"""
_MAKE_PLAN = """
    CREATE TABLE conversation_display_plan AS
    SELECT id, row_number() OVER (PARTITION BY account_id ORDER BY created_at, id)::integer AS display_id
    FROM conversations WHERE display_id IS NULL
"""
_STRAGGLERS = "SELECT id FROM conversations WHERE display_id IS NULL ORDER BY created_at, id"
_DRAW = """
    WITH drawn AS (
        UPDATE conversation_counters k SET last_display_id = last_display_id + 1
        FROM conversations c WHERE c.id = %(id)s AND c.display_id IS NULL AND k.account_id = c.account_id
        RETURNING k.last_display_id
    )
    UPDATE conversations SET display_id = drawn.last_display_id FROM drawn WHERE id = %(id)s
"""


def upgrade() -> None:
    db = online.session(revision)
    online.run(db, "a counter for every account", _MISSING_COUNTERS)
    shut = [account for (account,) in db.connection.execute(_SHUT)]
    db.step(f"open {len(shut)} accounts")
    for account in shut:
        _open(db, account)
    if not backfill.finished(db, _NUMBERS.name):
        _plan(db)
        backfill.fill(db, _NUMBERS)
    online.drop_table(db, _PLAN)
    for (conversation,) in db.connection.execute(_STRAGGLERS).fetchall():
        db.connection.execute(_DRAW, {"id": conversation})


def _open(db: Session, account: int) -> None:
    """The count is a statement of its own, so it sees every insert that the lock waited for."""

    def work() -> None:
        db.connection.execute(_KEEP_INSERTS_OUT, (account,))
        db.connection.execute(_OPEN, (account,))

    short_transaction(db, f"open account {account}", work)


def _plan(db: Session) -> None:
    """Exists complete or not at all: it is filled by the transaction that creates it."""
    if facts.table_exists(db.connection, _PLAN):
        return
    db.step("plan the numbers")
    with db.connection.transaction():
        db.connection.execute(_MAKE_PLAN)
        db.connection.execute("ALTER TABLE conversation_display_plan ADD PRIMARY KEY (id)")


def downgrade() -> None:
    db = online.session(revision)
    online.drop_table(db, _PLAN)
    backfill.forget(db, _NUMBERS.name)
