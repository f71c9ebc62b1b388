-- The statements of indexset.py.

--- live
SELECT i.relname, pg_get_indexdef(x.indexrelid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
WHERE i.relnamespace = 'public'::regnamespace AND x.indisvalid AND NOT x.indisunique AND NOT x.indisexclusion
  AND NOT i.relispartition
ORDER BY i.relname
