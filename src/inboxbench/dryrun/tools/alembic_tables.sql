-- What may be a version table of Alembic.

--- tables
SELECT n.nspname, c.relname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'version_num' AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND (NOT EXISTS (SELECT FROM pg_attribute AS other WHERE other.attrelid = c.oid AND other.attnum > 0
                   AND NOT other.attisdropped AND other.attnum <> a.attnum)
       OR EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'p'
                  AND k.conname = left(c.relname, 59) || '_pkc'))
ORDER BY c.relname <> 'alembic_version', 1, 2
