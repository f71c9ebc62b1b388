"""A message holds at most 150,000 characters. Stands for 0006."""

from alembic import op

revision = "n03"
down_revision = "n02"


def upgrade() -> None:
    op.create_check_constraint("messages_body_length_check", "messages", "char_length(body) <= 150000")
