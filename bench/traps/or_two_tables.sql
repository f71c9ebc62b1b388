-- title: OR across two tables
-- ids: P2.1a K2
-- bad: Seq Scan
-- good: contacts_name_trgm_idx
-- floor: 20
-- most: 200
-- rows: same
-- why: A condition that is true by one table or by another can be used on neither: both are read and joined first.
--   Each half alone has an index; UNION asks them one at a time.

--- data
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE TABLE contacts (id bigint PRIMARY KEY, name text NOT NULL);
CREATE TABLE conversations (
    id bigint PRIMARY KEY, account_id int NOT NULL, contact_id bigint NOT NULL, identifier text NOT NULL,
    note text NOT NULL
);
INSERT INTO contacts
SELECT n, CASE WHEN n % 5000 = 0 THEN 'Иван Сидоркин ' ELSE 'Customer ' END || n FROM generate_series(1, 20000) n;
INSERT INTO conversations
SELECT n, 1, 1 + n % 20000, 'order-' || n, repeat('x', 120) FROM generate_series(1, 40000) n;
CREATE INDEX contacts_name_trgm_idx ON contacts USING gin (name gin_trgm_ops);
CREATE INDEX conversations_identifier_idx ON conversations (identifier);
CREATE INDEX conversations_contact_id_idx ON conversations (contact_id);

--- bad query
SELECT c.id FROM conversations c JOIN contacts k ON k.id = c.contact_id
WHERE c.account_id = 1 AND (c.identifier = 'order-77' OR k.name ILIKE '%Сидоркин%')
ORDER BY c.id

--- good query
SELECT id FROM (
    SELECT c.id FROM conversations c WHERE c.account_id = 1 AND c.identifier = 'order-77'
    UNION
    SELECT c.id FROM conversations c JOIN contacts k ON k.id = c.contact_id
    WHERE c.account_id = 1 AND k.name ILIKE '%Сидоркин%'
) AS found
ORDER BY id
