"""${message}.

What:   …
Why:    …
Locks:  …
Down:   …
"""

from inboxbench.migrate import online

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

phase = 1
ids = ()
kind = "expand"  # expand | backfill | contract | index


def upgrade() -> None:
    db = online.session(revision)


def downgrade() -> None:
    db = online.session(revision)
