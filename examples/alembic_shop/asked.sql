-- What the shop's application asks for, as a script of pgbench.
\set customer random(1, 2000)
\set number random(1, 100000)
SELECT id, quantity, price_cents FROM orders WHERE customer_id = :customer ORDER BY placed_at DESC LIMIT 10;
SELECT sum(quantity * price_cents) FROM orders WHERE customer_id = :customer AND placed_at > now() - interval '30 days';
SELECT o.id, o.quantity, c.email FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = :number;
UPDATE orders SET quantity = quantity % 5 + 1 WHERE id = :number;
