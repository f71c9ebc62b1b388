-- 260,000 rows, the same on every machine: 2,000 customers, 500 products, 100,000 orders and their lines. Some customers
-- order much more than others; of the latest 4,000 orders every other one is open.

INSERT INTO customers (email) SELECT 'customer' || i || '@shop.example' FROM generate_series(1, 2000) i;
INSERT INTO products (name, price_cents) SELECT 'product ' || i, 100 + i * 37 % 9900 FROM generate_series(1, 500) i;
INSERT INTO orders (customer_id, status, placed_at, address)
SELECT 1 + floor(2000 * power(i * 7919 % 100000 / 100000.0, 2)),
       CASE WHEN i <= 96000 THEN 'shipped' WHEN i % 2 = 0 THEN 'open' ELSE 'paid' END,
       timestamptz '2026-01-01 00:00+00' + i * interval '5 minutes',
       repeat(md5(i::text), 3)
FROM generate_series(1, 100000) i;
INSERT INTO order_lines (order_id, product_id, quantity)
SELECT o.id, 1 + (o.id * 13 + line * 101) % 500, 1 + line % 3
FROM orders o, generate_series(0, o.id % 3) line
WHERE o.id % 5 <> 0;
ANALYZE;
