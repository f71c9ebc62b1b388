-- name: place_order
-- title: a customer places an order
-- family: insert
-- params: customer bigint
-- classes: open_orders
-- order: unordered
INSERT INTO orders (customer_id, status, placed_at, address) VALUES (:customer, 'open', now(), 'Main Street 1')
