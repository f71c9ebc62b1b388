-- The statements of indexset.py.

--- live
SELECT n.nspname, i.relname, pg_get_indexdef(x.indexrelid), pg_table_is_visible(x.indrelid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND x.indisvalid AND NOT x.indisunique AND NOT x.indisexclusion AND NOT i.relispartition
  AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = x.indrelid AND d.deptype = 'e')
ORDER BY n.nspname <> 'public', n.nspname, i.relname

-- Where an index of a catalogue is: in the schema of its table, whose name is resolved as a statement would.
--- located
SELECT i.oid, n.nspname, i.relname
FROM pg_class t JOIN pg_class i ON i.relnamespace = t.relnamespace JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE t.oid = to_regclass(%s) AND i.relname = %s AND i.relkind IN ('i', 'I')

-- The size of an index, that of a partitioned table being those of its partitions, and the names of theirs.
--- size
SELECT coalesce(sum(pg_relation_size(c.oid)), 0), coalesce(array_agg(c.relname ORDER BY c.relname) FILTER (WHERE c.oid <> given.oid), '{}')
FROM (SELECT %s::oid AS oid) AS given, pg_class AS c
WHERE c.oid = given.oid OR c.oid IN (SELECT relid FROM pg_partition_tree(given.oid))
GROUP BY given.oid
