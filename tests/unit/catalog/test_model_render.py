"""The written-down schema: order, quoting and layout, without a server."""

from __future__ import annotations

from inboxbench.catalog import Catalog, Entry, render

ENTRIES = (
    Entry("table", "order", "", "WITH (fillfactor=50)"),
    Entry("column", "order", "id", "bigint NOT NULL", 1),
    Entry("column", "order", "customerId", "bigint", 2),
    Entry("constraint", "order", "order_customer_fkey", 'FOREIGN KEY ("customerId") REFERENCES customers(id)', 5),
    Entry("constraint", "order", "order_pkey", "PRIMARY KEY (id)", 1),
    Entry("index", "order", "order_idx", 'CREATE INDEX order_idx ON "order" USING btree (id)'),
    Entry("trigger", "order", "touch", 'CREATE TRIGGER touch BEFORE UPDATE ON "order" …'),
    Entry("function", "", "touch()", "CREATE OR REPLACE FUNCTION touch() …"),
)


def test_a_schema_reads_from_tables_to_triggers() -> None:
    text = render(Catalog(ENTRIES), header="Generated.\n\nDo not edit.", extensions=("pg_trgm",))
    assert text == (
        "-- Generated.\n--\n-- Do not edit.\n\n"
        "CREATE EXTENSION IF NOT EXISTS pg_trgm;\n\n"
        'CREATE TABLE "order" (\n'
        "    id            bigint NOT NULL,\n"
        '    "customerId"  bigint,\n'
        "    CONSTRAINT order_pkey PRIMARY KEY (id)\n"
        ") WITH (fillfactor=50);\n\n"
        'CREATE INDEX order_idx ON "order" USING btree (id);\n\n'
        'ALTER TABLE "order" ADD CONSTRAINT order_customer_fkey '
        'FOREIGN KEY ("customerId") REFERENCES customers(id);\n\n'
        "CREATE OR REPLACE FUNCTION touch() …;\n\n"
        'CREATE TRIGGER touch BEFORE UPDATE ON "order" …;\n'
    )


def test_the_order_of_entries_does_not_matter() -> None:
    assert render(Catalog(ENTRIES)) == render(Catalog(tuple(reversed(ENTRIES))))
