-- The statements of traps.py.

-- Tables with an index of an expression that nobody has collected statistics of yet.
--- unknown
SELECT DISTINCT t.relname FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
WHERE x.indexprs IS NOT NULL AND t.relnamespace = 'public'::regnamespace
  AND NOT EXISTS (SELECT FROM pg_statistic WHERE starelid = i.oid)
