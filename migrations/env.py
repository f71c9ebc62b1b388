"""Alembic's entry: `INBOXBENCH_DATABASE_URL=postgresql://… alembic upgrade head` and `inboxbench migrate`."""

from inboxbench.migrate.environment import migrate

migrate()
