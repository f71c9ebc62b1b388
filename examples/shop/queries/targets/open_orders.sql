-- Each row is one execution of a write: the open orders in a fixed shuffle.
SELECT id AS order_id, customer_id AS customer FROM orders WHERE status = 'open' ORDER BY md5(id::text)
