-- What catalogue.py asks of a database: its schemas, and by table its columns, indexes with their keys, constraints.

--- schemas
SELECT nspname FROM pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' AND has_schema_privilege(oid, 'USAGE')
ORDER BY nspname <> 'public', nspname

--- tables
SELECT c.oid, n.nspname, c.relname,
       CASE WHEN c.relkind = 'm' THEN 'materialized view' WHEN c.relkind = 'f' THEN 'foreign table'
            WHEN c.relpersistence = 'u' THEN 'unlogged table' ELSE 'table' END,
       coalesce(CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, '')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(schemas)s) AND c.relkind IN ('r', 'p', 'm', 'f') AND NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname <> 'public', n.nspname, c.relname

--- columns
SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
       CASE WHEN a.attgenerated = '' THEN
           CASE a.attidentity WHEN 'a' THEN 'identity (always)' WHEN 'd' THEN 'identity' ELSE
               CASE WHEN pg_get_expr(d.adbin, d.adrelid, true) ~ '^nextval\(''[^'']*''::regclass\)$'
                    THEN 'sequence'
                    ELSE pg_get_expr(d.adbin, d.adrelid, true) END END END,
       pg_get_expr(d.adbin, d.adrelid, true)
           || CASE a.attgenerated WHEN 's' THEN ' STORED' WHEN 'v' THEN ' VIRTUAL' END,
       CASE WHEN a.attcollation <> t.typcollation THEN (SELECT quote_ident(collname) FROM pg_collation co
                                                        WHERE co.oid = a.attcollation) END
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = ANY (%(tables)s) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum

--- indexes
-- to_jsonb: the column is new in 15.
SELECT x.indrelid, x.indexrelid, i.relname, m.amname, x.indisunique,
       coalesce((to_jsonb(x) ->> 'indnullsnotdistinct')::boolean, false),
       pg_get_expr(x.indpred, x.indrelid, true),
       CASE k.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'x' THEN 'exclusion' ELSE '' END,
       CASE WHEN k.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN 'DEFERRABLE'
            ELSE '' END,
       x.indisvalid, x.indnkeyatts
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_am m ON m.oid = i.relam
LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid
                             AND k.contype IN ('p', 'u', 'x')
WHERE x.indrelid = ANY (%(tables)s)
ORDER BY x.indrelid, k.contype = 'p' DESC NULLS LAST, i.relname

--- keys
SELECT x.indexrelid, n.number, coalesce(a.attname, pg_get_indexdef(x.indexrelid, n.number, true)),
       a.attname IS NOT NULL, m.amname = 'btree' AND x.indoption[n.number - 1] & 1 = 1,
       m.amname = 'btree' AND x.indoption[n.number - 1] & 2 = 2,
       CASE WHEN NOT o.opcdefault OR ia.attoptions IS NOT NULL THEN
           o.opcname || coalesce(' (' || array_to_string(ia.attoptions, ', ') || ')', '') END,
       CASE WHEN x.indcollation[n.number - 1] NOT IN (0, coalesce(a.attcollation, t.typcollation, 0))
            THEN (SELECT quote_ident(collname) FROM pg_collation co
                  WHERE co.oid = x.indcollation[n.number - 1]) END,
       (SELECT oprname FROM pg_operator op WHERE op.oid = k.conexclop[n.number])
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_am m ON m.oid = i.relam
CROSS JOIN LATERAL generate_series(1, x.indnatts) AS n (number)
JOIN pg_attribute ia ON ia.attrelid = x.indexrelid AND ia.attnum = n.number
JOIN pg_type t ON t.oid = ia.atttypid
LEFT JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[n.number - 1] AND a.attnum <> 0
LEFT JOIN pg_opclass o ON n.number <= x.indnkeyatts AND o.oid = x.indclass[n.number - 1]
LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.conrelid = x.indrelid AND k.contype = 'x'
WHERE x.indrelid = ANY (%(tables)s)
ORDER BY x.indexrelid, n.number

--- constraints
SELECT k.conrelid, k.conname, CASE k.contype WHEN 'c' THEN 'check' ELSE 'foreign key' END,
       coalesce(pg_get_expr(k.conbin, k.conrelid, true), ''),
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.number ORDER BY u.place),
       coalesce((SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE c.oid = k.confrelid), ''),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.number ORDER BY u.place),
       array_remove(ARRAY[
           CASE k.confmatchtype WHEN 'f' THEN 'MATCH FULL' END,
           'ON UPDATE ' || CASE k.confupdtype WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
                                              WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END,
           'ON DELETE ' || CASE k.confdeltype WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
                                              WHEN 'n' THEN 'SET NULL' WHEN 'd' THEN 'SET DEFAULT' END,
           CASE WHEN k.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN 'DEFERRABLE' END,
           CASE WHEN k.connoinherit AND k.contype = 'c' THEN 'NO INHERIT' END,
           CASE WHEN to_jsonb(k) ->> 'conenforced' = 'false' THEN 'NOT ENFORCED'
                WHEN NOT k.convalidated THEN 'NOT VALID' END], NULL)
FROM pg_constraint k
WHERE k.conrelid = ANY (%(tables)s) AND k.contype IN ('c', 'f') AND k.conparentid = 0
ORDER BY k.conrelid, k.contype, k.conname

--- types
SELECT n.nspname, t.typname,
       CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range' ELSE 'composite' END,
       CASE t.typtype
           WHEN 'e' THEN (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                          FROM pg_enum e WHERE e.enumtypid = t.oid)
           WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
                          CASE WHEN t.typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || t.typdefault,
                          (SELECT string_agg(pg_get_constraintdef(k.oid, true), ' ' ORDER BY k.conname)
                           FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
           WHEN 'r' THEN (SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid)
           ELSE (SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum)
                 FROM pg_attribute a WHERE a.attrelid = t.typrelid AND NOT a.attisdropped) END
FROM pg_type t
JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE n.nspname = ANY (%(schemas)s) AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
  AND NOT EXISTS (SELECT FROM pg_depend d
                  WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
ORDER BY n.nspname, t.typname
