-- name: ship_order
-- title: an order is sent, or comes back
-- family: update
-- params: order_id bigint
-- classes: open_orders
-- order: unordered
-- A write is executed more than once on the same row, so it changes the column back and forth.
UPDATE orders SET status = CASE status WHEN 'open' THEN 'shipped' ELSE 'open' END WHERE id = :order_id
