-- title: what a customer has open
-- params: customer bigint = (SELECT max(customer_id) FROM orders WHERE status = 'open')
-- order: ordered
SELECT id, placed_at FROM orders WHERE customer_id = :customer AND status = 'open' ORDER BY placed_at, id
