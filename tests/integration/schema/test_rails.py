"""A Rails schema.rb is what Rails would make of it; what is not understood is named by file and line, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.integration.schema.conftest import Compare

from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.schema.model import Schema, Table
from inboxbench.schema.sources import read_side
from inboxbench.server import Server

Write = Callable[[str, str], Path]
Read = Callable[..., Schema]


@pytest.fixture
def rails(server: Server, project: Project, written: Write) -> Read:
    """Read the body of a schema.rb; `of` is what stands behind ActiveRecord::Schema."""

    def read(body: str, of: str = "[7.1]") -> Schema:
        text = f"ActiveRecord::Schema{of}.define(version: 2024_01_02_030405) do\n{body}\nend\n"
        return read_side(server, str(written("schema.rb", text)), project)

    return read


def table(schema: Schema, name: str = "t") -> Table:
    return next(found for found in schema.tables if found.name == name)


COLUMNS = {
    't.string "c"': "character varying",
    't.string "c", limit: 50, default: "", null: false': "character varying(50) NOT NULL DEFAULT ''::character varying",
    't.text "c", default: "it\'s \\"q\\"\\n"': "text DEFAULT 'it''s \"q\"\n'::text",
    "t.text 'c', default: 'a\\nb'": "text DEFAULT 'a\\nb'::text",
    't.integer "c", limit: 2': "smallint",
    't.integer "c", limit: 8': "bigint",
    't.bigint "c", default: -1, null: false': "bigint NOT NULL DEFAULT '-1'::bigint",
    't.float "c"': "double precision",
    't.decimal "c", precision: 8, scale: 2, default: "0.0"': "numeric(8,2) DEFAULT 0.0",
    't.decimal "c"': "numeric",
    't.datetime "c"': "timestamp(6) without time zone",
    't.datetime "c", precision: nil': "timestamp without time zone",
    't.timestamptz "c", precision: 3, default: -> { "now()" }': "timestamp(3) with time zone DEFAULT now()",
    't.datetime "c", default: -> { "CURRENT_TIMESTAMP" }': ("timestamp(6) without time zone DEFAULT CURRENT_TIMESTAMP"),
    't.time "c"': "time without time zone",
    't.date "c"': "date",
    't.binary "c"': "bytea",
    't.boolean "c", default: false, null: false': "boolean NOT NULL DEFAULT false",
    't.jsonb "c", default: {}, null: false': "jsonb NOT NULL DEFAULT '{}'::jsonb",
    't.json "c", default: {"a" => [1, nil]}': "json DEFAULT '{\"a\": [1, null]}'::json",
    't.string "c", default: [], array: true': "character varying[] DEFAULT '{}'::character varying[]",
    't.integer "c", default: [1, 2], array: true': "integer[] DEFAULT '{1,2}'::integer[]",
    't.text "c", default: ["a,b", "c\\"d"], array: true': 'text[] DEFAULT \'{"a,b","c\\"d"}\'::text[]',
    't.uuid "c", default: -> { "gen_random_uuid()" }': "uuid DEFAULT gen_random_uuid()",
    't.inet "c"': "inet",
    't.tsvector "c"': "tsvector",
    't.int4range "c"': "int4range",
    't.bit "c", limit: 8': "bit(8)",
    't.enum "c", default: "sad", enum_type: "mood"': "mood DEFAULT 'sad'::mood",
    't.virtual "c", type: :integer, as: "(length(x) + 1)", stored: true': (
        "integer GENERATED ALWAYS AS length(x) + 1 STORED"
    ),
    't.column "c", "char(3)"': "character(3)",
    "t.column :c, :decimal, :precision => 5": "numeric(5,0)",
    't.string "c", collation: "C"': 'character varying COLLATE "C"',
    't.string "c", comment: "create_table \\"x\\" do; -- no"': "character varying",
    't.citext "c"': "citext",
}


def test_columns_are_what_rails_makes(rails: Read) -> None:
    """In one file, a table for each."""
    body = "\n".join(
        f'create_table "t{number}", force: :cascade do |t|\n  t.text "x"\n  {call}\nend'
        for number, call in enumerate(COLUMNS)
    )
    schema = rails(f'enable_extension "plpgsql"\nenable_extension "citext"\ncreate_enum "mood", ["sad", "ok"]\n{body}')
    assert schema.remarks == []
    for number, (call, text) in enumerate(COLUMNS.items()):
        assert table(schema, f"t{number}").columns[-1].text == text, call


@pytest.mark.parametrize(
    ("of", "wanted"),
    [
        ("", "timestamp without time zone"),
        ("[6.1]", "timestamp without time zone"),
        ("[8.0]", "timestamp(6) without time zone"),
    ],
)
def test_the_precision_that_is_left_out_depends_on_the_version(rails: Read, of: str, wanted: str) -> None:
    schema = rails('create_table "t" do |t|\n t.timestamps\nend', of)
    assert [c.text for c in table(schema).columns[1:]] == [f"{wanted} NOT NULL"] * 2


KEYS = {
    'create_table "t"': ("id", "bigint NOT NULL DEFAULT sequence", ("id",)),
    'create_table "t", id: :serial': ("id", "integer NOT NULL DEFAULT sequence", ("id",)),
    'create_table "t", id: :integer': ("id", "integer NOT NULL DEFAULT sequence", ("id",)),
    'create_table "t", id: :bigint, default: nil': ("id", "bigint NOT NULL", ("id",)),
    'create_table "t", id: :uuid, default: -> { "gen_random_uuid()" }': (
        *("id", "uuid NOT NULL DEFAULT gen_random_uuid()", ("id",)),
    ),
    'create_table "t", id: :uuid': ("id", "uuid NOT NULL DEFAULT gen_random_uuid()", ("id",)),
    'create_table "t", id: { type: :string, limit: 36 }': ("id", "character varying(36) NOT NULL", ("id",)),
    'create_table "t", primary_key: "nr", id: :serial': ("nr", "integer NOT NULL DEFAULT sequence", ("nr",)),
    'create_table "t", primary_key: ["a", "b"]': ("a", "integer NOT NULL", ("a", "b")),
    'create_table "t", id: false': ("a", "integer", ()),
}


@pytest.mark.parametrize("head", KEYS)
def test_primary_keys(rails: Read, head: str) -> None:
    name, text, key = KEYS[head]
    found = table(rails(f'{head}, force: :cascade do |t|\n t.integer "a"\n t.integer "b"\nend'))
    assert (found.columns[0].name, found.columns[0].text) == (name, text)
    assert tuple(k.term for index in found.indexes for k in index.keys) == key


INDEXES = {
    't.index ["a", "b"], name: "i", unique: true': "UNIQUE (a, b)",
    't.index :a, :name => "i"': "(a)",
    't.index ["a"], name: "i", where: "(b > 0)"': "(a) WHERE b > 0",
    't.index ["a", "b"], name: "i", order: { a: :desc, b: "DESC NULLS LAST" }': "(a DESC, b DESC NULLS LAST)",
    't.index ["a", "b"], name: "i", order: :desc': "(a DESC, b DESC)",
    't.index ["x"], name: "i", using: :gin, opclass: :gin_trgm_ops': "gin (x gin_trgm_ops)",
    't.index ["x", "y"], name: "i", opclass: { x: :text_pattern_ops }': "(x text_pattern_ops, y)",
    't.index ["a"], name: "i", include: ["b", "x"]': "(a) INCLUDE (b, x)",
    't.index ["a"], name: "i", unique: true, nulls_not_distinct: true': "UNIQUE (a) NULLS NOT DISTINCT",
    't.index "lower((x)::text), a DESC", name: "i"': "(lower(x), a DESC)",
    't.index ["a"], name: "i", using: :brin': "brin (a)",
    't.index %w[a b], name: "i", algorithm: :concurrently': "(a, b)",
    't.unique_constraint ["a", "b"], deferrable: :deferred, name: "i"': ("UNIQUE (a, b) DEFERRABLE INITIALLY DEFERRED"),
    't.exclusion_constraint "int4range(a, b) WITH &&", using: :gist, where: "(a > 0)", name: "i"': (
        "EXCLUSION gist (int4range(a, b) WITH &&) WHERE a > 0"
    ),
}


def test_indexes_are_what_rails_makes(rails: Read) -> None:
    body = "\n".join(
        f'create_table "t{number}" do |t|\n t.integer "a"\n t.integer "b"\n t.text "x"\n t.text "y"\n '
        f"{call.replace(chr(34) + 'i' + chr(34), f'{chr(34)}i{number}{chr(34)}')}\nend"
        for number, call in enumerate(INDEXES)
    )
    schema = rails(f'enable_extension "pg_trgm"\n{body}')
    assert schema.remarks == []
    for number, (call, text) in enumerate(INDEXES.items()):
        indexes = {index.name: index for index in table(schema, f"t{number}").indexes}
        assert indexes[f"i{number}"].text == text, call


CONSTRAINTS = {
    'add_foreign_key "t", "people"': "FOREIGN KEY (person_id) REFERENCES people (id)",
    'add_foreign_key "t", "statuses"': "FOREIGN KEY (status_id) REFERENCES statuses (id)",
    'add_foreign_key "t", "companies", on_delete: :cascade, on_update: :restrict': (
        "FOREIGN KEY (company_id) REFERENCES companies (id) ON UPDATE RESTRICT ON DELETE CASCADE"
    ),
    'add_foreign_key "t", "people", column: "boss_id", on_delete: :nullify, deferrable: :deferred': (
        "FOREIGN KEY (boss_id) REFERENCES people (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED"
    ),
    'add_foreign_key "t", "people", column: "boss_id", deferrable: :immediate, validate: false': (
        "FOREIGN KEY (boss_id) REFERENCES people (id) DEFERRABLE NOT VALID"
    ),
    'add_check_constraint "t", "boss_id > 0 AND status_id <> 3", name: "k"': "CHECK (boss_id > 0 AND status_id <> 3)",
    'add_check_constraint "t", "boss_id > 0", validate: false': "CHECK (boss_id > 0) NOT VALID",
}


@pytest.mark.parametrize("call", CONSTRAINTS)
def test_constraints_are_what_rails_makes(rails: Read, call: str) -> None:
    body = "\n".join(f'create_table "{name}" do |t|\nend' for name in ("people", "statuses", "companies"))
    columns = "\n".join(f' t.bigint "{name}_id"' for name in ("person", "status", "company", "boss"))
    schema = rails(f'{body}\ncreate_table "t" do |t|\n{columns}\nend\n{call}')
    assert schema.remarks == []
    assert [constraint.text for constraint in table(schema).constraints] == [CONSTRAINTS[call]]


def test_references_make_columns_indexes_and_keys(rails: Read) -> None:
    schema = rails("""
      create_table :companies do |t|
      end
      create_table :t do |t|
        t.references :company, null: false, foreign_key: { on_delete: :cascade }, type: :bigint
        t.belongs_to :owner, polymorphic: true, index: { unique: true }
        t.references :other, index: false
      end""")
    found = table(schema)
    assert [(c.name, c.text) for c in found.columns[1:]] == [
        ("company_id", "bigint NOT NULL"),
        ("owner_type", "character varying"),
        ("owner_id", "bigint"),
        ("other_id", "bigint"),
    ]
    assert [index.text for index in found.indexes[1:]] == ["(company_id)", "UNIQUE (owner_type, owner_id)"]
    assert found.constraints[0].text == "FOREIGN KEY (company_id) REFERENCES companies (id) ON DELETE CASCADE"


@pytest.mark.parametrize(
    ("body", "line", "said"),
    [
        (' t.string "x", wat: 1', 4, "option wat:"),
        (' t.string "x", default: "#{1 + 1}"', 4, "only known when Ruby runs"),
        (' t.string "x", default: Time.now', 4, "is no literal"),
        (" t.string", 4, "names no column"),
        (" x = 1", 4, "is not understood"),
        (" t.references :nobody, foreign_key: true", 4, "no table above is called after 'nobody'"),
        (" t.index", 4, "names no columns"),
        (' t.enum "x"', 4, "enum_type"),
        (' t.integer "x", limit: 9', 4, "limit: 9"),
    ],
)
def test_what_is_not_understood_is_named_and_its_table_left_out(rails: Read, body: str, line: int, said: str) -> None:
    schema = rails(f'create_table "good"\ncreate_table "t" do |t|\n{body}\nend\nadd_index "t", ["id"]')
    assert [found.name for found in schema.tables] == ["good"]
    assert len(schema.remarks) == 1
    assert f"schema.rb:{line}:" in schema.remarks[0]
    assert said in schema.remarks[0]
    assert schema.unread == {"public.t"}


def test_a_definition_of_a_gem_is_named(rails: Read) -> None:
    schema = rails('create_table "t"\ncreate_view "v", sql_definition: <<-SQL\n  SELECT 1; -- create_table "x"\nSQL\n')
    assert [found.name for found in schema.tables] == ["t"]
    assert [remark.partition("schema.rb:")[2] for remark in schema.remarks] == [
        '3: `create_view "v", sql_definition: <<-SQL` is not understood, so what it makes is left out'
    ]


def test_an_unknown_type_is_an_error_with_its_line(rails: Read) -> None:
    with pytest.raises(UsageError, match=r"schema\.rb:5: .*type \"nonsense\" does not exist"):
        rails('create_table "t" do |t|\n t.text "a"\n\n t.nonsense "x"\nend')


def test_what_is_nested_without_end_is_no_fault_of_ours(rails: Read) -> None:
    schema = rails(f'create_table "good"\ncreate_table "t" do |t|\n t.text "x", default: {"[" * 3000}{"]" * 3000}\nend')
    assert [found.name for found in schema.tables] == ["good"]
    assert "nested too deeply" in schema.remarks[0]


def test_schema_rb_and_structure_sql_of_one_application_are_the_same(compare: Compare, written: Write) -> None:
    ruby = written(
        "schema.rb",
        """ActiveRecord::Schema[7.2].define(version: 1) do
  create_schema "app"
  enable_extension "pg_catalog.plpgsql"
  create_enum "app.mood", ["sad", "ok"]
  create_table "app.users", id: :uuid, default: -> { "gen_random_uuid()" }, force: :cascade do |t|
    t.string "name", null: false
    t.index ["name"], name: "by_name", unique: true
  end
  create_table "posts", force: :cascade do |t|
    t.uuid "user_id"
    t.datetime "created_at", null: false
  end
  add_foreign_key "posts", "app.users"
end
""",
    )
    sql = written(
        "structure.sql",
        """SET statement_timeout = 0;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE SCHEMA app;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE TABLE public.ar_internal_metadata (key character varying NOT NULL);
CREATE TABLE app.users (id uuid DEFAULT gen_random_uuid() NOT NULL, name character varying NOT NULL);
CREATE TABLE public.posts (id bigint NOT NULL, user_id uuid, created_at timestamp(6) without time zone NOT NULL);
CREATE SEQUENCE public.posts_id_seq START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.posts_id_seq OWNED BY public.posts.id;
ALTER TABLE ONLY public.posts ALTER COLUMN id SET DEFAULT nextval('public.posts_id_seq'::regclass);
ALTER TABLE ONLY app.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.posts ADD CONSTRAINT posts_pkey PRIMARY KEY (id);
CREATE UNIQUE INDEX by_name ON app.users USING btree (name);
ALTER TABLE ONLY public.posts ADD CONSTRAINT fk_rails_1 FOREIGN KEY (user_id) REFERENCES app.users(id);
SET search_path TO "$user", public;
INSERT INTO "schema_migrations" (version) VALUES ('1');
""",
    )
    result = compare(ruby, sql)
    assert not result.differs, result
    assert result.remarks == []
