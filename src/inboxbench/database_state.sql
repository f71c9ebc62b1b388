-- The statements of database_state.py.

-- Pages, and how many of them were all-visible when VACUUM or ANALYZE last looked; rows as the statistics count them.
--- tables
SELECT n.nspname::text, c.relname::text, pg_relation_size(c.oid) / current_setting('block_size')::int, c.relallvisible, coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0),
       greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze),
       coalesce(s.n_mod_since_analyze, 0), c.reltuples >= 0
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence = 'p'
ORDER BY 3 DESC, 1, 2

-- GIN indexes with a list of entries to come.
--- gin
SELECT i.oid::regclass::text FROM pg_class AS i JOIN pg_am AS a ON a.oid = i.relam
WHERE a.amname = 'gin' AND i.relkind = 'i' AND NOT coalesce('fastupdate=off' = ANY (i.reloptions), false) ORDER BY 1

--- pgstattuple
SELECT quote_ident(n.nspname) FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname = 'pgstattuple'

--- invalid
SELECT i.oid::regclass::text FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
JOIN pg_namespace AS n ON n.oid = i.relnamespace
WHERE NOT x.indisvalid AND n.nspname !~ '^pg_' AND i.relkind = 'i' ORDER BY 1

-- How the order of a column's values follows that of the rows, as ANALYZE last saw it.
--- correlations
SELECT schemaname::text, tablename::text, attname::text, correlation FROM pg_stats
WHERE correlation IS NOT NULL AND schemaname !~ '^pg_' AND schemaname <> 'information_schema'
