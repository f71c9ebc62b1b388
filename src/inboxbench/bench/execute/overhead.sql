-- The statements of overhead.py.

--- keyed
SELECT n.nspname, c.relname, a.attname
FROM pg_index x
JOIN pg_class c ON c.oid = x.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
WHERE x.indisprimary AND x.indnkeyatts = 1 AND a.atttypid IN ('int4'::regtype, 'int8'::regtype)
  AND c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND pg_relation_size(c.oid) > 0
ORDER BY pg_relation_size(c.oid) DESC, c.relname
LIMIT 1
