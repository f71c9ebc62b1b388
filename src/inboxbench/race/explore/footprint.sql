SELECT c.relname,
       c.relkind = 'r' AND NOT c.relhassubclass AND NOT c.relispartition AND NOT c.relrowsecurity
           AND NOT c.relhasrules AND c.relpersistence <> 't'
           AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid)
           AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal)
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'x')
           AND NOT EXISTS (SELECT FROM pg_constraint WHERE c.oid IN (conrelid, confrelid) AND contype = 'f'
                           AND (confdeltype NOT IN ('a', 'r') OR confupdtype NOT IN ('a', 'r') OR condeferrable))
           AND NOT EXISTS (SELECT FROM pg_constraint AS k JOIN pg_depend AS d ON d.objid = k.oid
                           AND d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_proc'::regclass
                           WHERE k.conrelid = c.oid)
           AND NOT EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indexprs IS NOT NULL),
       coalesce((SELECT json_object_agg(attname, json_build_array(typname, atttypmod = -1
                            AND (attcollation = 0 OR (SELECT collisdeterministic FROM pg_collation
                                                      WHERE pg_collation.oid = attcollation))))
                 FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped), '{}'),
       coalesce((SELECT json_agg(attname) FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
                 WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped
                   AND (attidentity <> '' OR pg_get_expr(adbin, adrelid) LIKE '%(%'
                        OR pg_get_expr(adbin, adrelid) ~* '^(current|local)')), '[]'),
       coalesce((SELECT json_agg((SELECT json_agg(attname) FROM pg_attribute
                                  WHERE attrelid = c.oid AND attnum = ANY (indkey::int[])))
                 FROM pg_index WHERE indrelid = c.oid AND indisunique), '[]'),
       coalesce((SELECT json_agg(confrelid::regclass::text) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),
                '[]'),
       coalesce((SELECT json_agg(conrelid::regclass::text) FROM pg_constraint WHERE confrelid = c.oid AND contype = 'f'),
                '[]')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
