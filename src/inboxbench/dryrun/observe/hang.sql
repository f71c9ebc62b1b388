-- What every session of a database does at one moment, and whom it waits for.

--- now
SELECT extract(epoch FROM clock_timestamp()) * 1000

--- sessions
-- Of a session that waits for one lock; wait events other than those of locks, clients and timers say what it waits for.
SELECT a.pid, coalesce(a.application_name, ''), coalesce(a.state, ''), coalesce(a.query, ''),
       CASE WHEN a.state = 'active' AND a.wait_event_type IN ('IPC', 'IO', 'Timeout', 'Extension')
            THEN a.wait_event ELSE '' END,
       pg_blocking_pids(a.pid), l.mode, l.locktype, l.relation::bigint,
       coalesce(extract(epoch FROM clock_timestamp() - a.xact_start) * 1000, 0)::float8,
       coalesce(extract(epoch FROM clock_timestamp()
                        - CASE WHEN a.state = 'active' THEN a.query_start ELSE a.state_change END) * 1000, 0)::float8
FROM pg_stat_activity AS a
LEFT JOIN LATERAL (SELECT k.mode, k.locktype, k.relation FROM pg_locks AS k WHERE k.pid = a.pid AND NOT k.granted
                   LIMIT 1) AS l ON true
WHERE a.datid = %(database)s::oid AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
ORDER BY a.backend_start

--- held
SELECT pid, relation::bigint, array_agg(mode) FROM pg_locks
WHERE pid = ANY (%(pids)s) AND granted AND locktype = 'relation' GROUP BY pid, relation
