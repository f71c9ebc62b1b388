-- A database that is none of ours: a shop with names of its own, an index that its owner has, and a view.

CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE "Orders" (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    state text NOT NULL,
    placed_at timestamptz NOT NULL
);
INSERT INTO customers (name) SELECT 'customer ' || i FROM generate_series(1, 50) i;
INSERT INTO "Orders" (customer_id, state, placed_at)
SELECT 1 + (i * i) % 50, CASE WHEN i % 20 = 0 THEN 'open' ELSE 'done' END,
       '2026-01-01 00:00+00'::timestamptz + (i * 7919) % 5000 * interval '1 hour'
FROM generate_series(1, 5000) i;
CREATE INDEX "Orders by customer" ON "Orders" (customer_id);
CREATE VIEW open_orders AS SELECT * FROM "Orders" WHERE state = 'open';
ANALYZE;
