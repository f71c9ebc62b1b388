-- What hangs on each column, as names and definitions that can be run again. What depends on it and is none of its own
-- default, sequence, indexes and constraints is an obstacle: it cannot be handed over to another column.
WITH columns AS (
    SELECT t.oid, t.relname, t.relkind, n.nspname, a.*
    FROM pg_class AS t
    JOIN pg_namespace AS n ON n.oid = t.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE t.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%%'
      AND (%(table)s::text IS NULL OR t.oid = to_regclass(%(table)s))
)
SELECT a.nspname || '.' || a.relname || '.' || a.attname, jsonb_build_object(
    'name', quote_ident(a.attname),
    'required', a.attnotnull,
    'default', (
        SELECT pg_get_expr(f.adbin, f.adrelid) FROM pg_attrdef AS f
        WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND a.attgenerated = ''
    ),
    'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END,
    'sequence', (
        SELECT min(format('%%I.%%I', sn.nspname, s.relname)) FROM pg_depend AS d
        JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_namespace AS sn ON sn.oid = s.relnamespace
        WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
          AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
    ),
    'indexes', (
        SELECT coalesce(jsonb_agg(jsonb_build_object('name', quote_ident(i.relname), 'schema', quote_ident(a.nspname),
                                                     'definition', pg_get_indexdef(i.oid)) ORDER BY i.relname), '[]')
        FROM pg_class AS i
        WHERE i.relkind = 'i' AND i.oid IN (
            SELECT d.objid FROM pg_depend AS d
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
              AND d.classid = 'pg_class'::regclass
        )
    ),
    'constraints', (
        SELECT coalesce(jsonb_agg(jsonb_build_object(
            'name', quote_ident(c.conname), 'kind', c.contype, 'definition', pg_get_constraintdef(c.oid),
            'index', CASE WHEN c.contype IN ('p', 'u') THEN pg_get_indexdef(c.conindid) END
        ) ORDER BY c.conname), '[]')
        FROM pg_constraint AS c
        WHERE c.conrelid = a.attrelid AND a.attnum = ANY (c.conkey) AND c.contype IN ('p', 'u', 'f', 'c')
    ),
    'obstacles', (
        SELECT coalesce(jsonb_agg(DISTINCT why), '[]') FROM (
            SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS why FROM pg_depend AS d
            LEFT JOIN pg_constraint AS c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid
            LEFT JOIN pg_class AS r ON d.classid = 'pg_class'::regclass AND r.oid = d.objid
            LEFT JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
            WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
              AND NOT coalesce(r.relkind IN ('i', 'S'), false) AND f.adnum IS DISTINCT FROM a.attnum
              AND NOT coalesce(
                  c.conrelid = a.attrelid AND c.contype IN ('p', 'u', 'f', 'c', 'n')
                  AND NOT (c.contype = 'f' AND c.confrelid = a.attrelid AND a.attnum = ANY (c.confkey)), false)
            UNION SELECT 'the expression that generates it' WHERE a.attgenerated <> ''
            UNION SELECT 'trigger ' || g.tgname || ', which the batches would fire' FROM pg_trigger AS g
                WHERE g.tgrelid = a.attrelid AND NOT g.tgisinternal AND g.tgenabled <> 'D'
                  AND g.tgtype & 16 > 0 AND g.tgattr = ''  -- of any UPDATE, whatever it sets
            UNION SELECT 'privileges of its own' WHERE a.attacl IS NOT NULL
            UNION SELECT 'partitions or children of its table' WHERE a.relkind = 'p' OR EXISTS (
                SELECT FROM pg_inherits AS h WHERE a.attrelid IN (h.inhparent, h.inhrelid))
            UNION SELECT 'index ' || i.indexrelid::regclass || ', by which replicas know its rows' FROM pg_index AS i
                WHERE i.indrelid = a.attrelid AND i.indisreplident AND a.attnum = ANY (i.indkey)
            UNION SELECT 'its sequence, which does not count by one' FROM pg_depend AS d
                JOIN pg_sequence AS s ON s.seqrelid = d.objid
                WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                  AND a.attidentity <> '' AND (s.seqincrement, s.seqcache, s.seqcycle) IS DISTINCT FROM (1, 1, false)
        ) AS found
    )
)
FROM columns AS a
WHERE %(column)s::text IS NULL OR a.attname = %(column)s
