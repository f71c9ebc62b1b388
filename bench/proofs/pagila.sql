-- A shop that lends films, of the shape of the Sakila samples, with rows of its own making.
CREATE TYPE rating AS ENUM ('G', 'PG', 'PG-13', 'R', 'NC-17');
CREATE TABLE language (language_id serial PRIMARY KEY, name char(20) NOT NULL);
CREATE TABLE category (category_id serial PRIMARY KEY, name text NOT NULL);
CREATE TABLE actor (actor_id serial PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL);
CREATE TABLE film (film_id serial PRIMARY KEY, title text NOT NULL, description text, release_year int,
    language_id int NOT NULL REFERENCES language, rental_rate numeric(4,2), length int, rating rating,
    special_features text[], fulltext tsvector);
CREATE TABLE film_actor (actor_id int REFERENCES actor, film_id int REFERENCES film, PRIMARY KEY (actor_id, film_id));
CREATE TABLE film_category (film_id int REFERENCES film, category_id int REFERENCES category, PRIMARY KEY (film_id, category_id));
CREATE TABLE customer (customer_id serial PRIMARY KEY, store_id int, first_name text, last_name text, email text UNIQUE,
    active boolean DEFAULT true, create_date date DEFAULT current_date);
CREATE TABLE inventory (inventory_id serial PRIMARY KEY, film_id int NOT NULL REFERENCES film, store_id int NOT NULL);
CREATE TABLE rental (rental_id serial PRIMARY KEY, rental_date timestamptz NOT NULL, inventory_id int NOT NULL REFERENCES inventory,
    customer_id int NOT NULL REFERENCES customer, return_date timestamptz, staff_id int);
CREATE TABLE payment (payment_id bigserial, customer_id int REFERENCES customer, rental_id int, amount numeric(5,2),
    payment_date timestamptz NOT NULL, PRIMARY KEY (payment_date, payment_id)) PARTITION BY RANGE (payment_date);
CREATE TABLE payment_1 PARTITION OF payment FOR VALUES FROM ('2026-01-01') TO ('2026-04-01');
CREATE TABLE payment_2 PARTITION OF payment FOR VALUES FROM ('2026-04-01') TO ('2027-01-01');
INSERT INTO language (name) SELECT 'language ' || n FROM generate_series(1, 6) n;
INSERT INTO category (name) SELECT 'category ' || n FROM generate_series(1, 16) n;
INSERT INTO actor (first_name, last_name) SELECT 'A' || n % 40, 'L' || n % 121 FROM generate_series(1, 200) n;
INSERT INTO film (title, description, release_year, language_id, rental_rate, length, rating, special_features, fulltext)
SELECT 'film ' || n, 'a tale of a ' || (ARRAY['boat', 'cat', 'robot', 'cook'])[1 + n % 4], 1990 + n % 30, 1 + n % 6,
    (n % 5) + 0.99, 46 + n % 140, (enum_range(NULL::rating))[1 + n % 5], ARRAY['Trailers', 'x' || n % 3],
    to_tsvector('simple', 'a tale of a ' || (ARRAY['boat', 'cat', 'robot', 'cook'])[1 + n % 4]) FROM generate_series(1, 1000) n;
INSERT INTO film_actor SELECT DISTINCT 1 + (n * 31) % 200, 1 + n % 1000 FROM generate_series(1, 5500) n;
INSERT INTO film_category SELECT n, 1 + n % 16 FROM generate_series(1, 1000) n;
INSERT INTO customer (store_id, first_name, last_name, email) SELECT 1 + n % 2, 'F' || n % 90, 'S' || n % 300, n || '@x.org' FROM generate_series(1, 600) n;
INSERT INTO inventory (film_id, store_id) SELECT 1 + n % 1000, 1 + n % 2 FROM generate_series(1, 4600) n;
INSERT INTO rental (rental_date, inventory_id, customer_id, return_date, staff_id)
SELECT '2026-01-01'::timestamptz + n * interval '15 min', 1 + (n * 7) % 4600, 1 + (n * 13) % 600,
    CASE WHEN n % 80 > 0 THEN '2026-01-03'::timestamptz + n * interval '15 min' END, 1 + n % 2 FROM generate_series(1, 16000) n;
INSERT INTO payment (customer_id, rental_id, amount, payment_date)
SELECT customer_id, rental_id, rental_id % 9 + 0.99, rental_date FROM rental;
CREATE INDEX ON film USING gin (fulltext);
CREATE INDEX ON rental (customer_id);
CREATE INDEX ON rental (inventory_id);
CREATE VIEW film_list AS SELECT f.film_id, f.title, c.name AS category, f.rating FROM film f
    JOIN film_category fc USING (film_id) JOIN category c USING (category_id);
CREATE FUNCTION inventory_in_stock(p_inventory_id int) RETURNS boolean LANGUAGE sql STABLE AS
$$ SELECT NOT EXISTS (SELECT 1 FROM rental WHERE inventory_id = p_inventory_id AND return_date IS NULL) $$;
CREATE FUNCTION film_in_stock(p_film_id int, p_store_id int, OUT found int) RETURNS SETOF int LANGUAGE sql STABLE AS
$$ SELECT inventory_id FROM inventory WHERE film_id = p_film_id AND store_id = p_store_id AND inventory_in_stock(inventory_id) $$;
ANALYZE;
