-- Tables that have the name of a migration tool's version table, with their columns.

--- tables
SELECT n.nspname, c.relname, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND lower(c.relname) = ANY (%(names)s)
GROUP BY n.nspname, c.relname
ORDER BY 1, 2
