-- The statements of tables.py.

--- table
SELECT c.oid, CASE WHEN pg_table_is_visible(c.oid) THEN quote_ident(c.relname) ELSE format('%%I.%%I', n.nspname, c.relname) END,
       c.relname, c.relkind::text,
       (SELECT coalesce(sum(greatest(p.reltuples, 0)), 0)::bigint FROM pg_class p WHERE p.oid = c.oid OR p.oid IN (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf)),
       (SELECT coalesce(sum(p.relpages), 0)::bigint FROM pg_class p WHERE p.oid = c.oid OR p.oid IN (SELECT relid FROM pg_partition_tree(c.oid) WHERE isleaf)),
       (SELECT coalesce(array_agg(relid::regclass::text), '{}') FROM pg_partition_tree(c.oid) WHERE relid <> c.oid),
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass(%s)

--- columns
SELECT quote_ident(a.attname), a.attname, format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid), NULL),
       coalesce(s.avg_width, CASE WHEN t.typlen > 0 THEN t.typlen ELSE 16 END),
       coalesce(CASE WHEN s.n_distinct < 0 THEN -s.n_distinct * %(rows)s ELSE s.n_distinct END, 1)::float8,
       coalesce(s.correlation, 0)::float8
FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT * FROM pg_stats s
    WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = a.attname ORDER BY s.inherited DESC LIMIT 1
) s ON true
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- Unique indexes that hold for all rows: they stay under every set.
--- rules
SELECT (SELECT array_agg(pg_get_indexdef(x.indexrelid, k, true) ORDER BY k) FROM generate_series(1, x.indnkeyatts) k)
FROM pg_index x
WHERE x.indrelid = %s AND (x.indisunique OR x.indisexclusion) AND x.indpred IS NULL AND x.indisvalid

-- Foreign keys whose own side may lack an index: what deleting a row of the other table looks for.
--- foreign keys
SELECT f.conrelid::regclass::text, array_agg(quote_ident(a.attname) ORDER BY k.place), f.confrelid::regclass::text
FROM pg_constraint f CROSS JOIN LATERAL unnest(f.conkey) WITH ORDINALITY k (number, place)
JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number
WHERE f.contype = 'f' AND f.conparentid = 0
GROUP BY f.oid, f.conrelid, f.confrelid
ORDER BY 1, 2

--- extensions
SELECT name FROM pg_available_extensions

--- names
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_(?!temp)'

-- Tables by the bare name that a plan has; a partition is its parent.
--- spelled
SELECT c.relname, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname = 'public'

--- partitions
SELECT c.oid::regclass::text, array_agg(t.relid::regclass::text ORDER BY t.relid::regclass::text)
FROM pg_class c CROSS JOIN LATERAL pg_partition_tree(c.oid) t
WHERE c.relkind = 'p' AND NOT c.relispartition AND t.isleaf
GROUP BY c.oid
