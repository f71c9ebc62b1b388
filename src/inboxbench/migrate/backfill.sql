-- What a backfill asks and writes. {0} is the key, {1} the table, {2} a condition.

--- table
(
    name        text PRIMARY KEY,
    first_key   bigint NOT NULL,
    last_key    bigint NOT NULL,
    target_key  bigint NOT NULL,
    rows        bigint NOT NULL DEFAULT 0,
    started_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
)

--- begin
INSERT INTO backfill_progress (name, first_key, last_key, target_key)
SELECT %(name)s, coalesce(min({0}), 1) - 1, coalesce(min({0}), 1) - 1, coalesce(max({0}), 0)
FROM {1} ON CONFLICT (name) DO NOTHING

--- end of batch
SELECT max({0}) FROM
(SELECT {0} FROM {1} WHERE {0} > %s AND {0} <= %s ORDER BY {0} LIMIT %s) AS keys

--- lock
SELECT {0} FROM {1} WHERE {0} > %s AND {0} <= %s AND ({2}) ORDER BY {0} FOR NO KEY UPDATE
