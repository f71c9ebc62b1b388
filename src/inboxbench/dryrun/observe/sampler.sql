-- What the second session asks every few milliseconds.

--- locks
-- From another database: a snapshot taken in the observed one is what CREATE INDEX CONCURRENTLY would wait for.
SELECT extract(epoch FROM clock_timestamp()) * 1000, pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
       (SELECT string_agg(concat_ws(':', pid, relation, mode, granted, virtualtransaction), ','
                          ORDER BY pid, relation, mode, granted, virtualtransaction)
        FROM pg_locks
        WHERE database = %(database)s AND locktype = 'relation' AND relation >= 16384 AND pid <> ALL (%(own)s)),
       extract(epoch FROM clock_timestamp()) * 1000

--- catalogue
-- The moment before the snapshot is taken: what was committed by then is in it.
SELECT extract(epoch FROM statement_timestamp()) * 1000, (
    SELECT jsonb_agg(jsonb_build_array(
               c.oid::bigint, n.nspname, c.relname, c.relkind, c.relfilenode::bigint,
               coalesce(NOT i.indisvalid, false),
               coalesce(i.indrelid, p.oid, CASE WHEN c.relkind = 'S' THEN (
                   SELECT d.refobjid FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                   AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') LIMIT 1) END, 0)::bigint, greatest(c.reltuples, 0)::bigint)
           ORDER BY c.oid)::text
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
    LEFT JOIN pg_class AS p ON p.reltoastrelid = c.oid AND c.relkind = 't'
    WHERE c.oid >= 16384)
