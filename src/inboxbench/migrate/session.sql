-- Who makes a session wait.

--- blockers
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.usename, a.backend_type), coalesce(a.state, ''),
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8,
       regexp_replace(left(coalesce(a.query, ''), 100), '\s+', ' ', 'g')
FROM unnest(pg_blocking_pids(%s)) AS blocker (pid) JOIN pg_stat_activity a USING (pid)
ORDER BY a.xact_start LIMIT 3
