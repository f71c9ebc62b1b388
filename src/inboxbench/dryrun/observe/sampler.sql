-- What the second session asks every few milliseconds.

--- locks
-- From another database: a snapshot taken in the observed one is what CREATE INDEX CONCURRENTLY would wait for.
SELECT extract(epoch FROM clock_timestamp()) * 1000, pg_current_wal_insert_lsn() - '0/0'::pg_lsn,
       (SELECT string_agg(concat_ws(':', pid, relation, mode, granted, virtualtransaction), ','
                          ORDER BY pid, relation, mode, granted, virtualtransaction)
        FROM pg_locks
        WHERE database = %(database)s AND locktype = 'relation' AND relation >= 16384 AND pid <> ALL (%(own)s)),
       extract(epoch FROM clock_timestamp()) * 1000

--- inner
-- What ran within statements of the observed database, in functions and triggers, up to now: by query, calls and rows.
SELECT extract(epoch FROM statement_timestamp()) * 1000, (
    SELECT jsonb_object_agg(queryid::text, jsonb_build_array(calls, rows))::text
    FROM (SELECT queryid, sum(calls)::bigint AS calls, sum(rows)::bigint AS rows FROM pg_stat_statements(false)
          WHERE dbid = %(database)s AND NOT toplevel GROUP BY queryid) AS counted),
       extract(epoch FROM clock_timestamp()) * 1000

--- texts
SELECT DISTINCT ON (queryid) queryid, query FROM pg_stat_statements(true)
WHERE dbid = %(database)s AND NOT toplevel AND query IS NOT NULL

--- code
-- What may run within a statement: the source of each function; and by table, what each kind of write to it leads to, its
-- triggers' functions and the tables that refer to it or that it refers to.
SELECT 'function', proname, CASE WHEN prosqlbody IS NULL THEN prosrc ELSE pg_get_function_sqlbody(oid) END
FROM pg_proc WHERE oid >= 16384 AND proname <> 'inboxbench_observe'
UNION ALL
SELECT event, c.relname, p.proname
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
JOIN (VALUES ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) AS e (event, bit) ON t.tgtype & bit <> 0
WHERE NOT t.tgisinternal
UNION ALL
SELECT event, CASE WHEN away THEN referred.relname ELSE referring.relname END,
       CASE WHEN away THEN referring.relname ELSE referred.relname END
FROM pg_constraint AS r JOIN pg_class AS referred ON referred.oid = r.confrelid
JOIN pg_class AS referring ON referring.oid = r.conrelid
CROSS JOIN (VALUES ('delete', true), ('update', true), ('insert', false), ('update', false)) AS e (event, away)
WHERE r.contype = 'f'

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
