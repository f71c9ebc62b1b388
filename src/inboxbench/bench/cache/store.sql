-- The statements of store.py.

-- Where files lie and what is logged changes no figure.
--- settings
SELECT name, setting FROM pg_settings
WHERE source IN ('configuration file', 'command line', 'environment variable', 'database', 'user', 'database user')
  AND category NOT LIKE 'File Locations%' AND category NOT LIKE 'Reporting and Logging%'
  AND category NOT LIKE 'Connections and Authentication%' AND name <> 'max_connections'
UNION ALL  -- those of extensions and of the application, which the view lacks
SELECT split_part(entry, '=', 1), entry
FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS entry
WHERE d.datname = current_database() AND split_part(entry, '=', 1) LIKE '%.%'

-- Everything of a schema that a plan or a rule can depend on; functions of extensions come with their versions.
--- schema
WITH own AS (SELECT oid, nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
SELECT 'column', o.nspname || '.' || c.relname, a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
       || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c
JOIN own o ON o.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relkind IN ('r', 'p')
UNION ALL
SELECT 'index', o.nspname || '.' || c.relname, pg_get_indexdef(x.indexrelid)
FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN own o ON o.oid = c.relnamespace
UNION ALL
SELECT 'constraint', k.conrelid::regclass::text, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN own o ON o.oid = k.connamespace WHERE k.conrelid <> 0
UNION ALL
SELECT 'trigger', tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'policy', p.polrelid::regclass::text, concat_ws(' ', p.polname, p.polcmd, p.polpermissive,
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
       (SELECT string_agg(pg_get_userbyid(role), ',') FROM unnest(p.polroles) AS role))
FROM pg_policy p
UNION ALL
SELECT 'row security', c.oid::regclass::text, c.relrowsecurity || ' ' || c.relforcerowsecurity
FROM pg_class c WHERE c.relrowsecurity
UNION ALL
SELECT 'function', o.nspname || '.' || p.proname, pg_get_functiondef(p.oid)
FROM pg_proc p JOIN own o ON o.oid = p.pronamespace LEFT JOIN pg_depend e ON e.objid = p.oid AND e.deptype = 'e'
WHERE p.prokind IN ('f', 'p') AND e.objid IS NULL
UNION ALL
SELECT 'extension', extname, extversion FROM pg_extension
UNION ALL
SELECT 'view', o.nspname || '.' || c.relname, pg_get_viewdef(c.oid)
FROM pg_class c JOIN own o ON o.oid = c.relnamespace WHERE c.relkind IN ('v', 'm')
ORDER BY 1, 2, 3
