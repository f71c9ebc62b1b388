-- name: look at an order
-- kind: read
-- weight: 4
-- draw: SELECT id AS one FROM orders TABLESAMPLE SYSTEM (1)
SELECT id, status, note FROM orders WHERE id = :one;

-- name: look at a customer
-- kind: read
-- weight: 2
-- draw: SELECT id AS one FROM customers TABLESAMPLE SYSTEM (1)
SELECT id, email FROM customers WHERE id = :one;

-- name: place an order
-- kind: write
-- weight: 3
-- draw: SELECT id AS customer FROM customers TABLESAMPLE SYSTEM (1)
INSERT INTO orders (customer_id, status, note, amount) VALUES (:customer, 'placed', 'ring twice', 9.5);

-- name: change an order
-- kind: write
-- weight: 3
-- draw: SELECT id AS one FROM orders TABLESAMPLE SYSTEM (1)
UPDATE orders SET status = 'sent' WHERE id = :one;

-- name: change a customer
-- kind: write
-- weight: 1
-- draw: SELECT id AS one FROM customers TABLESAMPLE SYSTEM (1)
UPDATE customers SET country = 'country7' WHERE id = :one;

-- A report that thinks between two statements: whoever wants customers for himself has to wait for it.
-- name: report on customers
-- kind: read
-- weight: 0.13
SELECT country, pg_sleep(0.6) FROM customers LIMIT 1;
