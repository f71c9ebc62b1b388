-- The statements of template.py.

--- secondary
SELECT n.nspname, i.relname
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname = 'public' AND NOT x.indisunique AND NOT x.indisexclusion
  AND i.relkind IN ('i', 'I') AND NOT i.relispartition  -- those of partitions go with their parent's
ORDER BY i.relname

--- tables
SELECT relname
FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
ORDER BY relname

--- keys
SELECT t.relname, i.relname, array_agg(a.attname ORDER BY k.place)
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
CROSS JOIN LATERAL unnest(x.indkey::smallint[]) WITH ORDINALITY k (number, place)
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
WHERE x.indisprimary AND t.relkind = 'r' AND t.relnamespace = 'public'::regnamespace
GROUP BY 1, 2
ORDER BY 1

--- columns
SELECT attname FROM pg_attribute
WHERE attrelid = format('public.%%I', %s::text)::regclass AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
