-- title: the latest 20 orders of a customer
-- params: customer bigint = 700
-- order: ordered
SELECT id, status, placed_at FROM orders WHERE customer_id = :customer ORDER BY placed_at DESC, id DESC LIMIT 20
