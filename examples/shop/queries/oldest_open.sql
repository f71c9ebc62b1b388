-- title: the 50 open orders that have waited longest
-- order: ordered
SELECT id, customer_id, placed_at FROM orders WHERE status = 'open' ORDER BY placed_at, id LIMIT 50
