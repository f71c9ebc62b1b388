-- The columns of all tables of one's own: what kind of value each holds, and where a generated one comes from.
--   clock:      a date or a time, of which only whether it is set can be compared
--   generated:  numbered by a sequence or drawn at random, or a foreign key to such a column
--   plain:      everything else
WITH columns AS (
    SELECT a.attrelid, a.attnum, a.attname, t.typcategory IN ('D', 'T') AS clock,
           a.attidentity <> ''
           OR pg_get_expr(d.adbin, d.adrelid) ~ 'nextval\(|gen_random_uuid|uuid_generate|uuidv' AS generated
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
)
SELECT n.nspname, c.relname, m.attname,
       CASE WHEN m.clock THEN 'clock' WHEN m.generated OR origin.generated THEN 'generated' ELSE 'plain' END AS kind,
       coalesce(f.confrelid, c.oid)::regclass::text || '.' || coalesce(origin.attname, m.attname) AS source
FROM columns m
JOIN pg_class c ON c.oid = m.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT confrelid, confkey[1] AS attnum
    FROM pg_constraint
    WHERE contype = 'f' AND conrelid = m.attrelid AND conkey = ARRAY[m.attnum]
    ORDER BY oid LIMIT 1
) AS f ON true
LEFT JOIN columns AS origin ON origin.attrelid = f.confrelid AND origin.attnum = f.attnum
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
ORDER BY n.nspname, c.relname, m.attnum
