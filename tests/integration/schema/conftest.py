"""A schema with one of everything that is easily misread, and how a test compares two sides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from inboxbench.project import Project
from inboxbench.schema.compare import Comparison, compare_schemas
from inboxbench.schema.model import Schema
from inboxbench.schema.pairing import Renames
from inboxbench.schema.sources import read_side
from inboxbench.server import Server

Compare = Callable[..., Comparison]


@pytest.fixture(scope="session")
def known() -> dict[str, Schema]:
    """What files of SQL were read as, by their text: most tests change one file alone."""
    return {}


@pytest.fixture
def compare(server: Server, project: Project, known: dict[str, Schema]) -> Compare:
    def read(side: str) -> Schema:
        if not side.endswith(".sql"):
            return read_side(server, side, project)
        text = Path(side).read_text(encoding="utf-8")
        if text not in known:
            known[text] = read_side(server, side, project)
        return known[text]

    def compared(a: object, b: object, *renames: str, exact: bool = False) -> Comparison:
        return compare_schemas(read(str(a)), read(str(b)), Renames.read(renames, exact=exact))

    return compared


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a file and return its path."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


TRICKY = r"""
-- CREATE TABLE in_a_comment (id int); it's only a comment
/* and /* a nested */ CREATE TABLE another (id int); */
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gist;
CREATE SCHEMA app;
CREATE TYPE app."Mood" AS ENUM ('sad', 'it''s ok', 'a; b');
CREATE DOMAIN app.amount AS numeric(12, 2) DEFAULT 0 NOT NULL CONSTRAINT positive CHECK (VALUE >= 0);
CREATE TYPE public.point3 AS (x float8, y float8, z float8);
CREATE COLLATION public.nocase (provider = libc, locale = 'POSIX');
CREATE FUNCTION app.plus_one(n int) RETURNS int LANGUAGE sql IMMUTABLE BEGIN ATOMIC SELECT n + 1; END;
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $body$ BEGIN -- CREATE TABLE x ();
  RETURN NEW; END $body$;
CREATE TABLE app."Order Items" (
    "Id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "select" varchar(20) DEFAULT E'a\'b;' NOT NULL,
    mood app."Mood"[] DEFAULT '{sad}',
    price app.amount,
    total numeric(10, 2) GENERATED ALWAYS AS (price * 2) STORED,
    name text COLLATE "C",
    at timestamptz(3) DEFAULT now(),
    span tstzrange,
    code serial,
    CONSTRAINT "no overlap" EXCLUDE USING gist (code WITH =, span WITH &&) WHERE (code > 0)
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT "ends;well" CHECK ("select" <> ';' AND (code > 0 OR name IS NULL)),
    UNIQUE NULLS NOT DISTINCT (name, at)
);
CREATE TRIGGER note BEFORE INSERT ON app."Order Items" FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TABLE events (
    id uuid DEFAULT gen_random_uuid(), day date NOT NULL, item bigint, email text COLLATE nocase, payload jsonb,
    PRIMARY KEY (id, day),
    CONSTRAINT item_key FOREIGN KEY (item) REFERENCES app."Order Items" ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
) PARTITION BY RANGE (day);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE events_rest PARTITION OF events DEFAULT;
CREATE INDEX events_day ON events (day DESC NULLS LAST, id) INCLUDE (item);
CREATE INDEX ON app."Order Items" USING gin (name gin_trgm_ops);
CREATE INDEX lowered ON app."Order Items" (lower(name) text_pattern_ops, app.plus_one(code)) WHERE price > 0;
CREATE INDEX siglen ON app."Order Items" USING gist (name gist_trgm_ops (siglen = 32));
CREATE INDEX collated ON app."Order Items" (name COLLATE "POSIX");
CREATE MATERIALIZED VIEW totals AS SELECT day, count(*) AS n FROM events GROUP BY day;
CREATE UNIQUE INDEX totals_day ON totals (day);
CREATE TABLE parent (a int CHECK (a > 0) NO INHERIT, b int);
CREATE TABLE child (c int) INHERITS (parent);
ALTER TABLE child ADD CONSTRAINT later CHECK (c < 10) NOT VALID;
CREATE UNLOGGED TABLE "weird; name" ("a""b" int, "c%d" bit varying(5), "e:f" interval day to second(3));
COMMENT ON TABLE parent IS 'CREATE TABLE y (); -- no';
"""
