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

--- children
SELECT n.nspname || '.' || t.relname
FROM pg_inherits JOIN pg_class AS t ON t.oid = inhrelid JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.relkind IN ('r', 'p', 'f')
