"""The messenger as it was.

What:   an empty database gets schema/baseline.sql; one that holds the baseline already is adopted as it is. Its
        own columns that the comparison with Chatwoot decided to keep are here and stay: branch and region (C10),
        rating_score, rating_comment and rated_at (C11), read_at (M10).
Why:    every later revision builds on these tables, so their columns are compared first. A foreign database, or
        one migrated half way by other means, is refused before anything is written.
Locks:  none on existing tables.
Down:   takes back the bookkeeping only. The baseline's tables hold the messenger's data and may be older than
        this history, so they are not this revision's to drop.
"""

from pathlib import Path

from inboxbench.messenger import baseline
from inboxbench.migrate import backfill, online

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

phase = 1
ids = ("C10", "C11", "M10")
kind = "expand"
downgrade_reason = "the baseline's tables stay: they hold the messenger's data and may have been here first"

_BASELINE = Path(__file__).resolve().parents[2] / "schema" / "baseline.sql"


def upgrade() -> None:
    db = online.session(revision)
    script = _BASELINE.read_text(encoding="utf-8")
    db.step("compare the tables with the baseline")
    if baseline.inspect(db.connection, script) == "empty":
        db.step("create the baseline's tables")
        with db.connection.transaction():
            baseline.run_script(db.connection, script)
    backfill.create_progress_table(db)


def downgrade() -> None:
    online.drop_table(online.session(revision), "backfill_progress")
