-- The statements of activity.py.

-- Lines count for the flood limit (M8) as every message does, but have as much room again: else a customer who
-- floods a conversation would keep everybody from resolving or muting it. The limit is raised before a row comes to
-- the trigger, because every row comes from `raised`, and put back beside the aggregate, which waits for the last.
--- record
WITH raised AS MATERIALIZED (
    SELECT was, set_config('inboxbench.flood_limit', (2 * coalesce(nullif(was, ''), '200')::int)::text, true)
    FROM current_setting('inboxbench.flood_limit', true) AS was
), who AS (
    SELECT CASE %(kind)s
               WHEN 'user' THEN (SELECT name FROM users WHERE id = %(actor)s)
               WHEN 'contact' THEN (SELECT coalesce(nullif(name, ''), email) FROM contacts WHERE id = %(actor)s)
               ELSE 'Automation'
           END AS actor,
           (SELECT name FROM users WHERE id = %(agent)s) AS agent
), m AS (
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction,
                          message_type, body, content_attributes, created_at)
    SELECT c.account_id, c.inbox_id, c.id, %(kind)s, %(actor)s, %(direction)s, %(activity)s,
           format(%(text)s, coalesce(who.actor, 'Somebody'), who.agent), %(attributes)s, clock_timestamp()
    FROM raised, who, conversations c
    WHERE c.id = ANY (%(conversations)s)
    ORDER BY c.id
    RETURNING *
)
SELECT array_agg(m.id ORDER BY m.id), count({notify}),
       set_config('inboxbench.flood_limit', coalesce((SELECT was FROM raised), ''), true)
FROM m
