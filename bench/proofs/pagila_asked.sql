SELECT * FROM film WHERE film_id = :n
SELECT film_id, title FROM film WHERE title ILIKE '%film :n%' ORDER BY title LIMIT 10
SELECT title, length FROM film WHERE rating = 'PG-13' AND length BETWEEN 60 AND 60 + :n % 60 ORDER BY length DESC
SELECT title FROM film WHERE fulltext @@ to_tsquery('simple', 'boat & tale') LIMIT 20
SELECT title FROM film WHERE special_features @> ARRAY['x1'] AND rental_rate > 2.5
SELECT a.first_name, a.last_name, count(*) FROM actor a JOIN film_actor fa USING (actor_id) GROUP BY a.actor_id, a.first_name, a.last_name ORDER BY count(*) DESC LIMIT 10
SELECT category, count(*) FROM film_list WHERE rating IN ('G', 'PG') GROUP BY category HAVING count(*) > 3
SELECT c.first_name, c.last_name, r.rental_date FROM rental r JOIN customer c USING (customer_id) WHERE c.customer_id = :n ORDER BY r.rental_date DESC LIMIT 5
SELECT f.title, r.rental_date FROM rental r JOIN inventory i USING (inventory_id) JOIN film f USING (film_id) WHERE r.return_date IS NULL AND r.rental_date < now() - interval '7 days'
SELECT date_trunc('month', payment_date) AS month, sum(amount) FROM payment WHERE payment_date >= '2026-02-01' AND payment_date < '2026-05-01' GROUP BY date_trunc('month', payment_date) ORDER BY month
SELECT customer_id, sum(amount), rank() OVER (ORDER BY sum(amount) DESC) FROM payment GROUP BY customer_id ORDER BY 3 LIMIT 20
WITH best AS (SELECT customer_id, sum(amount) AS total FROM payment GROUP BY customer_id ORDER BY total DESC LIMIT 10) SELECT c.email, b.total FROM best b JOIN customer c USING (customer_id)
SELECT found FROM film_in_stock(:n, 1)
SELECT inventory_in_stock(:n)
SELECT count(*) FROM inventory i WHERE i.film_id = :n AND NOT EXISTS (SELECT 1 FROM rental r WHERE r.inventory_id = i.inventory_id AND r.return_date IS NULL)
SELECT * FROM customer WHERE lower(email) = lower(':n@X.ORG')
SELECT DISTINCT ON (customer_id) customer_id, rental_date FROM rental WHERE staff_id = 1 ORDER BY customer_id, rental_date DESC LIMIT 50
SELECT l.name, count(*) FILTER (WHERE f.length > 120) AS long FROM language l LEFT JOIN film f ON f.language_id = l.language_id WHERE l.name LIKE 'language%' GROUP BY l.name
INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES (now(), :n, 1 + :n % 500, 1)
UPDATE rental SET return_date = now() WHERE rental_id = :n
UPDATE customer SET active = NOT active WHERE customer_id = :n
DELETE FROM rental WHERE rental_id = 100 * :n
INSERT INTO payment (customer_id, rental_id, amount, payment_date) VALUES (1 + :n % 500, :n, 2.99, '2026-06-01 12:00+00')
SELECT extract(hour FROM rental_date) AS hour, count(*) FROM rental WHERE rental_date::date = '2026-03-0:d' GROUP BY 1
SELECT f.title, coalesce(string_agg(a.last_name, ', ' ORDER BY a.last_name), '') FROM film f LEFT JOIN film_actor fa USING (film_id) LEFT JOIN actor a USING (actor_id) WHERE f.film_id IN (:n, 7, 9) GROUP BY f.title
SELECT rental_id FROM rental WHERE customer_id = :n AND return_date IS NULL FOR UPDATE SKIP LOCKED
CREATE TEMP TABLE IF NOT EXISTS basket (film_id int)
SELECT count(*) FROM basket WHERE film_id > :n
COPY (SELECT film_id, title FROM film) TO STDOUT
BEGIN
COMMIT
SET work_mem = '8MB'
