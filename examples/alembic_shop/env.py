"""A plain Alembic environment: what `alembic init` gives, with a transaction for each revision."""

import os

import sqlalchemy as sa
from alembic import context

url = context.config.get_main_option("sqlalchemy.url") or os.environ["DATABASE_URL"]
engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:", 1), poolclass=sa.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
