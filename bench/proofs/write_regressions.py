"""Regressions of the write path that write no WAL, and rules that are gone or weaker, for two schemas: the messenger at
head, and examples/shop with a few rows and rules more (SHOP), which stands for anybody's.

Each is caught by the pages that a write touches or by the rules that the schema has, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable

from regressions import Regression

CLERK = "inboxbench_clerk"
# Idempotent, as roles are the server's and not a database's.
ROLE = f"""
    DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{CLERK}') THEN CREATE ROLE {CLERK}; END IF; END $$;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {CLERK};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {CLERK}
"""
SHOP_ROWS = """
    INSERT INTO customers (email) SELECT 'customer' || i || '@shop.example' FROM generate_series(1, 400) i;
    INSERT INTO products (name, price_cents) SELECT 'product ' || i, 100 + i FROM generate_series(1, 50) i;
    INSERT INTO orders (customer_id, status, placed_at, address)
    SELECT 1 + i % 300, CASE WHEN i % 40 = 0 THEN 'open' ELSE 'shipped' END,
           timestamptz '2026-01-01 00:00+00' + i * interval '5 minutes', repeat(md5(i::text), 3)
    FROM generate_series(1, 3000) i;
    INSERT INTO order_lines SELECT id, 1 + id % 50, 1 FROM orders;
"""
SHOP_RULES = """
    CREATE SCHEMA "Stock";
    CREATE DOMAIN "Stock".amount AS integer NOT NULL CHECK (VALUE >= 0);
    CREATE TABLE "Stock"."Shelf" (id integer PRIMARY KEY, product_id bigint NOT NULL UNIQUE REFERENCES products,
                                  amount "Stock".amount DEFAULT 0);
    CREATE TABLE shifts (clerk text NOT NULL, during tstzrange NOT NULL, EXCLUDE USING gist (during WITH &&));
    CREATE UNIQUE INDEX products_name_idx ON products (lower(name), price_cents) INCLUDE (id);
    ALTER TABLE products ADD COLUMN gross_cents integer GENERATED ALWAYS AS (price_cents * 119 / 100) STORED;
    ALTER TABLE products ADD COLUMN added_at timestamptz NOT NULL DEFAULT now();
    ALTER TABLE products ENABLE ROW LEVEL SECURITY;
    CREATE POLICY cheap ON products FOR SELECT USING (price_cents < 100000);
    CREATE VIEW cheap_products AS SELECT * FROM products WHERE price_cents < 1000 WITH LOCAL CHECK OPTION;
    CREATE FUNCTION checked() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
    CREATE TRIGGER checked BEFORE INSERT OR UPDATE ON products FOR EACH ROW EXECUTE FUNCTION checked();
    CREATE RULE no_delete AS ON DELETE TO "Stock"."Shelf" DO INSTEAD NOTHING;
"""
# Beside the writes that the example has: none of them deletes.
SHOP_FILES = {
    "writes/forget_customer.sql": "-- name: forget_customer\n-- title: a customer who ordered nothing is forgotten\n"
    "-- family: delete\n-- params: customer bigint\n-- classes: idle\n-- order: unordered\n"
    "DELETE FROM customers WHERE id = :customer\n",
    "targets/idle.sql": "SELECT id AS customer FROM customers c\n"
    "WHERE NOT EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id) ORDER BY id\n",
}
# They read a whole table and say nothing of it: no WAL, no other row, no other plan of the statement.
_READING = """
    CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN PERFORM count(*) FROM public.{table}; RETURN coalesce(NEW, OLD); END$$;
    CREATE FUNCTION scanned(bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE SECURITY DEFINER AS
        $$BEGIN PERFORM count(*) FROM public.{other}; RETURN $1; END$$;
"""
_OPEN = f"{ROLE}; ALTER TABLE {{table}} ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON {{table}} USING (true)"


def _on(table: str, other: str, insert: str, update: str, *, shop: bool) -> tuple[Regression, ...]:
    """The same regressions for a table of either schema; `other` is one with many rows."""
    named = {
        "a trigger counts all rows": (
            insert,
            "CREATE TRIGGER x AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION counted()",
        ),
        "a statement trigger counts all rows": (
            update,
            "CREATE TRIGGER x BEFORE UPDATE ON {table} EXECUTE FUNCTION counted()",
        ),
        "a deferred trigger counts all rows": (
            insert,
            "CREATE CONSTRAINT TRIGGER x AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
            "EXECUTE FUNCTION counted()",
        ),
        "a check whose function scans": (update, "ALTER TABLE {table} ADD CHECK (scanned(id) > 0) NOT VALID"),
        "a default whose function scans": (
            insert,
            "ALTER TABLE {table} ADD COLUMN x bigint; ALTER TABLE {table} ALTER COLUMN x SET DEFAULT scanned(1)",
        ),
        "an index on a function that scans": (insert, "CREATE INDEX x ON {table} (scanned(id)) WHERE id % 3 = 0"),
    }
    found = [
        Regression(
            name,
            "write path",
            where,
            ("worse", "buffers"),
            sql=(_READING + sql).format(table=table, other=other),
            shop=shop,
        )
        for name, (where, sql) in named.items()
    ]
    policy = (
        "CREATE FUNCTION many(bigint) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT count(*) FROM {table}'; "
        "ALTER POLICY own ON {table} USING ((SELECT many(id)) > 0)"
    )
    found.append(
        Regression(
            "a policy with a sub-select", "write path", update, ("worse", "buffers"), before=_OPEN.format(table=table),
            sql=policy.format(table=table), shop=shop, role=CLERK,
        )
    )  # fmt: skip
    return tuple(found)


# Name, the rule, and what is done to it.
_MESSENGER_RULES = (
    (
        "a unique index is built again as a plain one",
        "public.conversations/unique conversations_uuid_idx",
        "DROP INDEX conversations_uuid_idx; CREATE INDEX conversations_uuid_idx ON conversations (uuid)",
    ),
    (
        "a unique index is gone",
        "public.conversations/unique",
        "DROP INDEX conversations_account_display_id_key",
    ),
    (
        "a unique index holds fewer rows",
        "public.messages/unique messages_inbox_source_id_key",
        "DROP INDEX messages_inbox_source_id_key; CREATE UNIQUE INDEX messages_inbox_source_id_key ON messages "
        "(inbox_id, source_id) WHERE source_id IS NOT NULL AND NOT private",
    ),
    (
        "NOT NULL is gone",
        "public.messages/not null sender_type",
        "ALTER TABLE messages ALTER COLUMN sender_type DROP NOT NULL",
    ),
    (
        "a check is not valid any more",
        "public.conversations/check conversations_status_check",
        "ALTER TABLE conversations DROP CONSTRAINT conversations_status_check; ALTER TABLE conversations ADD "
        "CONSTRAINT conversations_status_check CHECK (status IN ('open', 'pending', 'resolved', 'snoozed')) NOT VALID",
    ),
    (
        "a foreign key deletes now",
        "public.messages/foreign key messages_conversation_id_fkey",
        "ALTER TABLE messages DROP CONSTRAINT messages_conversation_id_fkey; ALTER TABLE messages ADD CONSTRAINT "
        "messages_conversation_id_fkey FOREIGN KEY (conversation_id) REFERENCES conversations ON DELETE CASCADE",
    ),
    (
        "all triggers are off, foreign keys' too",
        "public.inbox_members/foreign key",
        "ALTER TABLE inbox_members DISABLE TRIGGER ALL",
    ),
    (
        "a trigger is off",
        "public.messages/trigger messages_last_seen",
        "ALTER TABLE messages DISABLE TRIGGER messages_last_seen",
    ),
    (
        "a trigger is gone",
        "public.conversations/trigger conversations_snooze",
        "DROP TRIGGER conversations_snooze ON conversations",
    ),
    (
        "a default is gone",
        "public.conversations/default status",
        "ALTER TABLE conversations ALTER COLUMN status DROP DEFAULT",
    ),
)
_SHOP_RULES = (
    (
        "a unique index is built again as a plain one",
        "public.products/unique products_name_idx",
        "DROP INDEX products_name_idx; CREATE INDEX products_name_idx ON products (lower(name), price_cents)",
    ),
    (
        "a unique constraint is gone",
        "public.customers/unique",
        "ALTER TABLE customers DROP CONSTRAINT customers_email_key",
    ),
    (
        "a unique constraint waits for the commit",
        '"Stock"."Shelf"/unique',
        'ALTER TABLE "Stock"."Shelf" DROP CONSTRAINT "Shelf_product_id_key"; '
        'ALTER TABLE "Stock"."Shelf" ADD UNIQUE (product_id) DEFERRABLE',
    ),
    ("an exclusion is gone", "public.shifts/exclusion", "ALTER TABLE shifts DROP CONSTRAINT shifts_during_excl"),
    ("NOT NULL is gone", "public.shifts/not null during", "ALTER TABLE shifts ALTER COLUMN during DROP NOT NULL"),
    (
        "a check is gone",
        "public.orders/check orders_status_check",
        "ALTER TABLE orders DROP CONSTRAINT orders_status_check",
    ),
    (
        "a domain checks nothing",
        'domain "Stock".amount/check',
        'ALTER DOMAIN "Stock".amount DROP CONSTRAINT amount_check',
    ),
    (
        "a foreign key is gone",
        '"Stock"."Shelf"/foreign key',
        'ALTER TABLE "Stock"."Shelf" DROP CONSTRAINT "Shelf_product_id_fkey"',
    ),
    (
        "a foreign key is not valid any more",
        "public.order_lines/foreign key order_lines_product_id_fkey",
        "ALTER TABLE order_lines DROP CONSTRAINT order_lines_product_id_fkey; ALTER TABLE order_lines ADD CONSTRAINT "
        "order_lines_product_id_fkey FOREIGN KEY (product_id) REFERENCES products NOT VALID",
    ),
    (
        "a trigger fires on replicas alone",
        "public.products/trigger checked",
        "ALTER TABLE products ENABLE REPLICA TRIGGER checked",
    ),
    ("a policy is gone", "public.products/policy cheap", "DROP POLICY cheap ON products"),
    ("a policy lets more through", "public.products/policy cheap", "ALTER POLICY cheap ON products USING (true)"),
    ("row security is off", "public.products/row security", "ALTER TABLE products DISABLE ROW LEVEL SECURITY"),
    (
        "a generated column is an ordinary one",
        "public.products/default gross_cents",
        "ALTER TABLE products ALTER COLUMN gross_cents DROP EXPRESSION",
    ),
    (
        "a default is another one",
        "public.products/default added_at",
        "ALTER TABLE products ALTER COLUMN added_at SET DEFAULT 'epoch'",
    ),
    ("a view checks nothing", "public.cheap_products", "ALTER VIEW cheap_products RESET (check_option)"),
    ("a rewrite rule is gone", '"Stock"."Shelf"/rewrite rule', 'DROP RULE no_delete ON "Stock"."Shelf"'),
    ("a table is gone, and its rules", "public.shifts", "DROP TABLE shifts"),
)
_FOREIGN_KEY = Regression(
    "a foreign key loses its index", "write path", "forget_customer", ("worse", "buffers"),
    sql="DROP INDEX orders_customer_idx", shop=True,
)  # fmt: skip


def _rules(rules: Iterable[tuple[str, str, str]], *, shop: bool) -> list[Regression]:
    return [Regression(name, "rule", where, ("worse", "rule"), sql=sql, shop=shop) for name, where, sql in rules]


WRITE_REGRESSIONS = (
    *_on("orders", "order_lines", "place_order", "ship_order", shop=True),
    _FOREIGN_KEY,
    *_on("conversations", "messages", "open_conversation", "assign", shop=False),
    *_rules(_SHOP_RULES, shop=True),
    *_rules(_MESSENGER_RULES, shop=False),
)
# What looks like one and is none: the rule is there under another name, in another order, or stronger.
HARMLESS = (
    "ALTER TABLE orders RENAME CONSTRAINT orders_status_check TO orders_status_is_known",
    "ALTER TABLE customers DROP CONSTRAINT customers_email_key; CREATE UNIQUE INDEX emails ON customers (email)",
    "DROP INDEX products_name_idx; CREATE UNIQUE INDEX products_name_idx ON products (price_cents, lower(name))",
    "ALTER TABLE orders ADD CHECK (length(address) > 0)",
    "CREATE TABLE notes (id bigint PRIMARY KEY, text text NOT NULL)",
    "CREATE OR REPLACE FUNCTION checked() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.name := trim(NEW.name); "
    "RETURN NEW; END$$",
    "ALTER TABLE products ENABLE ALWAYS TRIGGER checked",
    "ALTER TABLE customers ADD COLUMN name text",
)
