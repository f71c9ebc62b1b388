"""A message holds at most 150,000 characters.

What:   CHECK (char_length(body) <= 150000): characters, not bytes, so an emoji counts once.
Why:    added NOT VALID (binds new rows at once), then validated in a transaction of its own. Old rows that are too
        long are looked for first: they are reported and nothing is changed.
Locks:  ACCESS EXCLUSIVE on messages for an instant, under lock_timeout; validation lets reads and writes go on.
Down:   drops the constraint.
"""

from inboxbench.migrate import online

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

phase = 1
ids = ("M7", "P1.3")
kind = "contract"


def upgrade() -> None:
    online.add_check(
        online.session(revision),
        "messages",
        "messages_body_length_check",
        "char_length(body) <= 150000",
        remedy="shorten their body to 150000 characters or move the rest elsewhere",
    )


def downgrade() -> None:
    online.drop_constraint(online.session(revision), "messages", "messages_body_length_check")
