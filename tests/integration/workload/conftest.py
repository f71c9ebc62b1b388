"""A shop with what placeholders are compared with: skewed text, enums, JSON, arrays, words, ranges, unique columns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.conftest import Database

from inboxbench.database import scratch_database
from inboxbench.server import Server

SHOP = """
    CREATE TYPE mood AS ENUM ('open', 'paid', 'Weird One');
    CREATE TABLE customers (id bigserial PRIMARY KEY, email text UNIQUE, country text, meta jsonb, tags text[],
                            created_at timestamptz);
    CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), customer_id bigint REFERENCES customers,
                         status mood, total numeric(10,2), note text, placed timestamptz, doc tsvector);
    INSERT INTO customers (email, country, meta, tags, created_at)
    SELECT 'c' || n || '@x.org', CASE WHEN n % 10 = 0 THEN 'fr' WHEN n = 1 THEN 'it' ELSE 'de' END,
           jsonb_build_object('plan', n % 3), ARRAY['t' || n % 7, 'u'],
           '2026-01-01'::timestamptz + n * interval '1 hour'
    FROM generate_series(1, 2000) n;
    INSERT INTO orders (customer_id, status, total, note, placed, doc)
    SELECT 1 + floor(1999 * power((n % 997) / 997.0, 4)), (ARRAY['open', 'paid', 'Weird One'])[1 + n % 3]::mood,
           n % 500,
           'about ' || (ARRAY['rust', 'snow'])[1 + n % 2] || ' ' || n, '2026-01-01'::timestamptz + n * interval '5 min',
           to_tsvector('simple', (ARRAY['rust', 'snow'])[1 + n % 2])
    FROM generate_series(1, 8000) n;
    CREATE TABLE nobody (n bigint);
    CREATE TABLE codes (code char(9), flags bit(5));
    INSERT INTO codes SELECT 'CODE' || n % 7, B'10110' FROM generate_series(1, 70) n;
    ANALYZE
"""


@pytest.fixture(scope="session")
def shop(server: Server) -> Iterator[Database]:
    with scratch_database(server, "shop") as name:
        database = Database(server, name)
        with database.connect() as connection:
            connection.execute(SHOP)
        yield database
