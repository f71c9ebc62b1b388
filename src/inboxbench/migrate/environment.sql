-- Who has the advisory lock of the migrations.

--- holder
SELECT a.pid, coalesce(nullif(a.application_name, ''), a.usename), clock_timestamp() - a.backend_start
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (l.classid::bigint << 32) | l.objid::bigint = %s
