-- What an observed session tells about itself: its own locks, WAL position and counters, written to the server's log.
-- The log survives a rollback, disturbs no table of the project, and is in order with the statements beside it.
-- Its own queries are not explained, also where a role without rights runs the command (hence SECURITY DEFINER).
-- In pg_catalog, so that code which lists a project's schemas does not meet it.

CREATE FUNCTION pg_catalog.inboxbench_observe() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET auto_explain.log_min_duration = -1
SET pg_stat_statements.track = 'none' AS $observe$
DECLARE
    weakest_first CONSTANT text[] := ARRAY[
        'AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock',
        'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'];
    begun bigint := coalesce(pg_current_xact_id_if_assigned()::xid::text::bigint, 0);
    -- What this transaction has told already; it comes and goes with the transaction and its savepoints.
    before text := coalesce(current_setting('inboxbench_observer.told', true), '');
    now_held text;
    held jsonb;
    counted jsonb;
    gone jsonb;
    seen jsonb;
BEGIN
    -- Relations that the transaction has locked, where lock, file or name are news; bytes of those that it has written.
    WITH locked AS MATERIALIZED (
        SELECT relation, max(array_position(weakest_first, mode)) AS strength FROM pg_locks
        WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384
        GROUP BY relation
    ), known AS (
        SELECT l.relation, l.strength, c.oid, c.xmin, c.relnamespace, c.relname, c.relkind, c.relfilenode,
               concat_ws(':', l.relation, l.strength, c.relfilenode, c.relnamespace, c.relname) AS token
        FROM locked AS l LEFT JOIN pg_class AS c ON c.oid = l.relation
    )
    SELECT string_agg(token, ';'),
           jsonb_agg(jsonb_build_array(
               relation::bigint, (SELECT nspname FROM pg_namespace AS n WHERE n.oid = relnamespace), relname, relkind,
               relfilenode::bigint, jsonb_build_array(weakest_first[strength]),
               CASE WHEN begun > 0 AND xmin::text::bigint >= begun AND relkind IN ('r', 'i', 't', 'm')
                    THEN pg_relation_size(oid) END)
           ) FILTER (WHERE token NOT IN (SELECT unnest(string_to_array(before, ';'))))
    INTO now_held, held
    FROM known;
    PERFORM set_config('inboxbench_observer.told', coalesce(now_held, ''), true);

    -- Of this session, not yet flushed: rows read by full scans, rows made dead; and the flushed rows of all sessions,
    -- where the parallel workers of an index build leave theirs.
    PERFORM pg_stat_clear_snapshot();
    SELECT jsonb_agg(jsonb_build_array(
               c.oid::bigint, pg_stat_get_xact_tuples_returned(c.oid),
               pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid),
               pg_stat_get_tuples_returned(c.oid), c.reltuples::bigint))
    INTO counted
    FROM pg_class AS c
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'm', 't')
      AND pg_stat_get_xact_tuples_returned(c.oid) + pg_stat_get_xact_tuples_updated(c.oid)
        + pg_stat_get_xact_tuples_deleted(c.oid) + pg_stat_get_tuples_returned(c.oid) > 0;

    IF tg_event = 'sql_drop' THEN
        SELECT jsonb_agg(jsonb_build_array(objid::bigint, schema_name, object_name, object_type)) INTO gone
        FROM pg_event_trigger_dropped_objects()
        WHERE classid = 'pg_class'::regclass AND objsubid = 0;
    ELSIF tg_event = 'table_rewrite' THEN
        gone := to_jsonb(pg_event_trigger_table_rewrite_oid()::bigint);
    END IF;

    seen := jsonb_build_object(
        'event', tg_event, 'tag', tg_tag, 'at', extract(epoch FROM clock_timestamp()) * 1000,
        'wal', pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
        'lock_timeout', extract(epoch FROM current_setting('lock_timeout')::interval) * 1000,
        'held', held, 'counted', counted, 'concerned', gone);
    RAISE LOG 'inboxbench-observed %', seen;
END
$observe$;

CREATE EVENT TRIGGER inboxbench_observe_start ON ddl_command_start EXECUTE FUNCTION pg_catalog.inboxbench_observe();
CREATE EVENT TRIGGER inboxbench_observe_end ON ddl_command_end EXECUTE FUNCTION pg_catalog.inboxbench_observe();
CREATE EVENT TRIGGER inboxbench_observe_drop ON sql_drop EXECUTE FUNCTION pg_catalog.inboxbench_observe();
CREATE EVENT TRIGGER inboxbench_observe_rewrite ON table_rewrite EXECUTE FUNCTION pg_catalog.inboxbench_observe();
