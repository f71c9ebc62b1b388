-- The statements of traps.py.

-- Tables with an index of an expression that nobody has collected statistics of yet.
--- unknown
SELECT DISTINCT n.nspname, t.relname FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE x.indexprs IS NOT NULL AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_statistic WHERE starelid = i.oid)
