-- The statements of members.py.

--- index
SELECT n.nspname, i.relname, c.conname, x.indrelid::regclass::text
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.contype IN ('p', 'u', 'x')
WHERE %(name)s::text IN (i.relname::text, format('%%s.%%s', n.nspname, i.relname))
  AND n.nspname NOT LIKE 'pg\_%%' AND n.nspname <> 'information_schema'
ORDER BY n.nspname = 'public' DESC, n.nspname
LIMIT 1

--- droppable
SELECT i.relname
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid AND c.contype IN ('p', 'u', 'x'))
ORDER BY i.relname

--- analysed
SELECT DISTINCT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT stxrelid FROM pg_statistic_ext WHERE stxname = ANY (%(statistics)s))
   OR c.oid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
ORDER BY 1, 2
