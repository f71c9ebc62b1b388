-- What an observed session tells about itself: its own locks, WAL position and counters, written to the server's log.
-- The log survives a rollback, disturbs no table of the project, and is in order with the statements beside it.
-- In pg_catalog, so that code which lists a project's schemas does not meet it.

CREATE FUNCTION pg_catalog.inboxbench_observe() RETURNS event_trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $observe$
DECLARE
    seen jsonb;
    held jsonb;
    counted jsonb;
    gone jsonb;
    begun bigint := coalesce(pg_current_xact_id_if_assigned()::xid::text::bigint, 0);
BEGIN
    -- Relations that the transaction has locked; bytes only of those whose catalogue row it has written.
    SELECT jsonb_agg(jsonb_build_array(
               l.relation::bigint, n.nspname, c.relname, c.relkind, c.relfilenode::bigint, l.modes,
               CASE WHEN begun > 0 AND c.xmin::text::bigint >= begun AND c.relkind IN ('r', 'i', 't', 'm')
                    THEN pg_relation_size(c.oid) END))
    INTO held
    FROM (SELECT relation, jsonb_agg(DISTINCT mode) AS modes FROM pg_locks
          WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted AND relation >= 16384
          GROUP BY relation) AS l
    LEFT JOIN pg_class AS c ON c.oid = l.relation
    LEFT JOIN pg_namespace AS n ON n.oid = c.relnamespace;

    -- Of this session, not yet flushed: rows read by full scans, rows made dead; and the flushed rows of all sessions,
    -- where the parallel workers of an index build leave theirs.
    PERFORM pg_stat_clear_snapshot();
    SELECT jsonb_agg(jsonb_build_array(
               c.oid::bigint, pg_stat_get_xact_tuples_returned(c.oid),
               pg_stat_get_xact_tuples_updated(c.oid) + pg_stat_get_xact_tuples_deleted(c.oid),
               pg_stat_get_tuples_returned(c.oid)))
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
        'held', held, 'counted', counted, 'concerned', gone);
    RAISE LOG 'inboxbench-observed %', seen;
END
$observe$;

CREATE EVENT TRIGGER inboxbench_observe_start ON ddl_command_start EXECUTE FUNCTION pg_catalog.inboxbench_observe();
CREATE EVENT TRIGGER inboxbench_observe_end ON ddl_command_end EXECUTE FUNCTION pg_catalog.inboxbench_observe();
CREATE EVENT TRIGGER inboxbench_observe_drop ON sql_drop EXECUTE FUNCTION pg_catalog.inboxbench_observe();
CREATE EVENT TRIGGER inboxbench_observe_rewrite ON table_rewrite EXECUTE FUNCTION pg_catalog.inboxbench_observe();
