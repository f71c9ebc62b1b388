-- Who waits for whom.

--- waiting
-- Looking at pg_locks takes every partition of the lock table for a moment: only when somebody waits.
SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity
WHERE wait_event_type = 'Lock' AND datname = current_database()

--- locks
SELECT l.pid, l.locktype, l.relation::bigint, l.mode, l.granted,
       ROW(l.locktype, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid,
           l.classid, l.objid, l.objsubid)::text AS object,
       extract(epoch FROM l.waitstart) * 1000, extract(epoch FROM clock_timestamp()) * 1000
FROM pg_locks l WHERE l.pid = ANY (%s)

--- names
SELECT c.oid::bigint, n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid >= 16384
