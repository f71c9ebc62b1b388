-- What a source is made of: its foreign keys and its tables.

--- keys
SELECT child.nspname || '.' || c.relname, parent.nspname || '.' || p.relname,
       array(SELECT attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
             JOIN pg_attribute ON attrelid = k.conrelid AND attnum = u.n ORDER BY place),
       array(SELECT attname::text FROM unnest(k.confkey) WITH ORDINALITY AS u(n, place)
             JOIN pg_attribute ON attrelid = k.confrelid AND attnum = u.n ORDER BY place)
FROM pg_constraint k
JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace child ON child.oid = c.relnamespace
JOIN pg_class p ON p.oid = k.confrelid JOIN pg_namespace parent ON parent.oid = p.relnamespace
WHERE k.contype = 'f' AND k.conparentid = 0

--- tables
SELECT nspname, relname, reltuples::bigint FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND relpersistence = 'p'
ORDER BY 1, 2
