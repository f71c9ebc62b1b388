"""How rows are laid out before they are measured."""

from __future__ import annotations

from tests.conftest import Database

from inboxbench.gate.measure_head import lay_out

_ORDER = "SELECT array_agg(id ORDER BY ctid) FROM {}"


def test_tables_of_every_schema_are_laid_out_by_their_key(database: Database) -> None:
    with database.connect() as connection:
        for table in ("things", '"the Shop".things', '"the Shop"."odd name"'):
            connection.execute('CREATE SCHEMA IF NOT EXISTS "the Shop"')
            connection.execute(f"CREATE TABLE {table} (id int PRIMARY KEY)".encode())
            connection.execute(f"INSERT INTO {table} VALUES (3), (1), (2)".encode())
        lay_out(connection)
        for table in ("things", '"the Shop".things', '"the Shop"."odd name"'):
            assert connection.execute(_ORDER.format(table).encode()).fetchone() == ([1, 2, 3],)
