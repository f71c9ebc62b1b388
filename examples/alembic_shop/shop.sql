-- The shop before the history that is rehearsed: 100,000 orders of 2,000 customers.

CREATE TABLE customers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL UNIQUE);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers,
    quantity integer NOT NULL,
    price_cents integer NOT NULL,
    placed_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO customers (email) SELECT 'customer' || i || '@shop.example' FROM generate_series(1, 2000) i;
INSERT INTO orders (customer_id, quantity, price_cents)
SELECT 1 + i * 7919 % 2000, 1 + i % 5, 100 + i * 37 % 9900 FROM generate_series(1, 100000) i;
ANALYZE;
