-- What a database has that is not finished. Columns: kind, name, table and what is wrong with it.

--- unfinished
SELECT 'index', format('%s.%s', n.nspname, c.relname), i.indrelid::regclass::text,
       CASE WHEN c.relkind = 'I' THEN 'is invalid: not each partition has an index attached to it' ELSE 'is invalid' END
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND n.nspname NOT LIKE 'pg\_%'
UNION ALL
SELECT 'constraint', k.conname, k.conrelid::regclass::text,
       CASE WHEN to_jsonb(k) ->> 'conenforced' = 'false' THEN 'is not enforced'
            ELSE 'is not validated: rows from before it may break it' END
FROM pg_constraint AS k JOIN pg_namespace AS n ON n.oid = k.connamespace
WHERE NOT k.convalidated AND k.conrelid <> 0 AND k.conparentid = 0 AND n.nspname NOT LIKE 'pg\_%'
UNION ALL
SELECT 'trigger', t.tgname, t.tgrelid::regclass::text, 'is disabled'
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE t.tgenabled = 'D' AND NOT t.tgisinternal
UNION ALL
SELECT DISTINCT 'constraint', k.conname, k.conrelid::regclass::text, 'is not checked: its triggers are disabled'
FROM pg_trigger AS t JOIN pg_constraint AS k ON k.oid = t.tgconstraint
WHERE t.tgenabled = 'D' AND t.tgisinternal
UNION ALL
SELECT 'rule', r.rulename, r.ev_class::regclass::text, 'is disabled' FROM pg_rewrite AS r WHERE r.ev_enabled = 'D'
UNION ALL
SELECT 'partition', i.inhrelid::regclass::text, i.inhparent::regclass::text, 'is half detached: finish it by FINALIZE'
FROM pg_inherits AS i WHERE i.inhdetachpending
ORDER BY 1, 2, 3

--- invalid
-- Those of partitioned tables come along with a dump, as ON ONLY.
SELECT n.nspname, c.relname, pg_get_indexdef(c.oid)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_class AS t ON t.oid = i.indrelid
WHERE NOT i.indisvalid AND c.relkind = 'i' AND i.indislive AND n.nspname NOT LIKE 'pg\_%'
ORDER BY 1, 2
