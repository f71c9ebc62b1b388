-- title: LOWER(column) past an index on the column
-- ids: K2 M9c
-- bad: Seq Scan contacts
-- good: contacts_name_trgm_idx
-- floor: 20
-- most: 60
-- rows: same
-- why: An index on name is no index on lower(name): the planner compares expressions, not meanings. ILIKE asks the
--   same question of the column itself.

--- data
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE contacts (id bigint PRIMARY KEY, name text NOT NULL, note text NOT NULL);
INSERT INTO contacts
SELECT n, CASE WHEN n % 10000 = 0 THEN 'Иван Сидоркин ' ELSE 'Customer ' END || n, repeat('x', 120)
FROM generate_series(1, 60000) n;
CREATE INDEX contacts_name_trgm_idx ON contacts USING gin (name gin_trgm_ops);

--- bad query
SELECT id FROM contacts WHERE LOWER(name) LIKE '%сидоркин%' ORDER BY id

--- good query
SELECT id FROM contacts WHERE name ILIKE '%сидоркин%' ORDER BY id
