-- Of :account: its busiest agent and that agent's busiest inbox and first inboxes, the agent who holds the fewest open
-- conversations, its first page and what of it was seen when, a cursor half way down, its commonest branch and region,
-- the middle conversation's number, a conversation's outside key, and a week before its last activity. What the account
-- does not have comes out NULL, and no query is measured with it.

WITH listed AS MATERIALIZED (
    SELECT id, inbox_id, assignee_id, branch, region, last_activity_at, agent_last_seen_at,
           row_number() OVER (ORDER BY last_activity_at DESC, id DESC) AS place
    FROM conversations
    WHERE account_id = :account AND status = 'open'
), depth AS (
    SELECT (count(*) / 2)::int AS depth FROM listed
), busiest AS (
    SELECT assignee_id AS agent FROM listed WHERE assignee_id IS NOT NULL
    GROUP BY assignee_id ORDER BY count(*) DESC, assignee_id LIMIT 1
), numbered AS (
    SELECT display_id, identifier, row_number() OVER (ORDER BY identifier IS NULL, display_id) AS keyed,
           row_number() OVER (ORDER BY display_id) AS place, count(*) OVER () AS conversations
    FROM conversations WHERE account_id = :account
), spot AS (
    SELECT branch, region FROM listed WHERE branch IS NOT NULL AND region IS NOT NULL
    GROUP BY branch, region ORDER BY count(*) DESC, branch, region LIMIT 1
)
SELECT depth,
       (SELECT agent FROM busiest) AS agent,
       (SELECT assignee_id FROM listed WHERE assignee_id IS NOT NULL
        GROUP BY assignee_id ORDER BY count(*), assignee_id LIMIT 1) AS quiet_agent,
       (SELECT inbox_id FROM listed, busiest WHERE assignee_id = agent
        GROUP BY inbox_id ORDER BY count(*) DESC, inbox_id LIMIT 1) AS inbox,
       (SELECT array_agg(inbox_id ORDER BY inbox_id)
        FROM (SELECT inbox_id FROM inbox_members, busiest WHERE user_id = agent ORDER BY inbox_id LIMIT 3) few) AS inboxes,
       (SELECT array_agg(id ORDER BY place) FROM listed WHERE place <= 25) AS conversations,
       (SELECT array_agg(agent_last_seen_at ORDER BY place) FROM listed WHERE place <= 25) AS seen,
       (SELECT last_activity_at FROM listed WHERE place = depth) AS cursor_at,
       (SELECT id FROM listed WHERE place = depth) AS cursor_id,
       (SELECT max(last_activity_at) - interval '7 days' FROM listed) AS idle_since,
       (SELECT display_id FROM numbered WHERE place = (conversations + 1) / 2) AS display_id,
       (SELECT identifier FROM numbered WHERE keyed = 1) AS identifier,
       (SELECT branch FROM spot) AS branch,
       (SELECT region FROM spot) AS region
FROM depth
