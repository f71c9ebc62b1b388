-- One row a table that application code may read and write: the columns it knows, its keys and how many rows it has.
SELECT n.nspname, c.relname, greatest(c.reltuples, 0)::bigint AS rows,
       (SELECT jsonb_agg(jsonb_build_object(
                   'name', a.attname, 'type', t.typname, 'category', t.typcategory,
                   'length', CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END,
                   'generated', a.attgenerated <> '',
                   'automatic', a.attidentity <> ''
                                OR coalesce(pg_get_expr(d.adbin, d.adrelid) LIKE 'nextval(%%', false),
                   'reference', EXISTS (SELECT FROM pg_constraint f WHERE f.conrelid = c.oid AND f.contype = 'f'
                                                                      AND a.attnum = ANY (f.conkey)),
                   'indexed', EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey)))
               ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT jsonb_agg(jsonb_build_object(
                   'primary', i.indisprimary, 'plain', i.indpred IS NULL AND i.indexprs IS NULL,
                   'immediate', i.indimmediate,
                   'columns', (SELECT jsonb_agg(a.attname ORDER BY k.place)
                               FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, place)
                               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum))
               ORDER BY i.indisprimary DESC, i.indexrelid)
        FROM pg_index i WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion) AND i.indislive) AS keys
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg_toast%%'
  AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = c.oid AND e.deptype = 'e')
  AND c.relname <> ALL (%(without)s) AND n.nspname || '.' || c.relname <> ALL (%(without)s)
ORDER BY 3 DESC, 1, 2
