-- title: the lines of an order
-- params: order_id bigint = (SELECT max(order_id) FROM order_lines)
-- order: unordered
SELECT p.name, l.quantity, p.price_cents FROM order_lines l JOIN products p ON p.id = l.product_id WHERE l.order_id = :order_id
