-- The statements of template.py.

--- secondary
SELECT n.nspname, i.relname
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT x.indisunique AND NOT x.indisexclusion
  AND i.relkind IN ('i', 'I') AND NOT i.relispartition  -- those of partitions go with their parent's
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = x.indrelid AND d.deptype = 'e')  -- nor those of extensions
ORDER BY n.nspname, i.relname

--- tables
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (c.relkind = 'r' OR c.relkind = 'm' AND c.relispopulated)
ORDER BY n.nspname <> 'public', n.nspname, c.relname

--- partitioned
SELECT n.nspname, c.relname
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'p' AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2

--- keys
SELECT n.nspname, t.relname, i.relname, array_agg(a.attname ORDER BY k.place)
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL unnest(x.indkey::smallint[]) WITH ORDINALITY k (number, place)
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE x.indisprimary AND t.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY 1, 2, 3
ORDER BY n.nspname <> 'public', 1, 2

--- columns
SELECT attname, coalesce(attstattarget, -1)
FROM pg_attribute
WHERE attrelid = format('%%I.%%I', %s::text, %s::text)::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
