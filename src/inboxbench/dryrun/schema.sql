-- What a rewrite goes by.

--- keys
SELECT n.nspname || '.' || t.relname, coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY k.place), '')
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
LEFT JOIN pg_index AS i ON i.indrelid = t.oid AND i.indisprimary
LEFT JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place) ON k.place <= i.indnkeyatts
LEFT JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE t.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%%'
  AND (%(table)s::text IS NULL OR t.oid = to_regclass(%(table)s))
GROUP BY n.nspname, t.relname

--- partitions
SELECT n.nspname || '.' || t.relname,
       array_agg(format('%%I.%%I', pn.nspname, p.relname) ORDER BY p.relname), bool_or(p.relkind = 'p')
FROM pg_class AS t
JOIN pg_namespace AS n ON n.oid = t.relnamespace
JOIN pg_inherits AS i ON i.inhparent = t.oid
JOIN pg_class AS p ON p.oid = i.inhrelid JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE t.relkind = 'p' AND (%(table)s::text IS NULL OR t.oid = to_regclass(%(table)s))
GROUP BY n.nspname, t.relname

--- rows
SELECT n.nspname || '.' || t.relname,
       CASE t.relkind WHEN 'p' THEN (
           SELECT coalesce(sum(greatest(p.reltuples, 0)), 0) FROM pg_partition_tree(t.oid) AS tree
           JOIN pg_class AS p ON p.oid = tree.relid AND tree.isleaf)
       ELSE greatest(t.reltuples, 0) END::bigint
FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%%'

--- enums
SELECT t.typname, array_agg(e.enumlabel::text ORDER BY e.enumsortorder)
FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid GROUP BY t.oid, t.typname

--- children
SELECT n.nspname || '.' || t.relname
FROM pg_inherits JOIN pg_class AS t ON t.oid = inhrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p', 'f')
