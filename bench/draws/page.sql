-- Of :account: its busiest agent and that agent's busiest inbox and first inboxes, its first page, a cursor half way
-- down, its commonest branch and region. What the account does not have comes out NULL, and no query is measured
-- with it.

WITH listed AS MATERIALIZED (
    SELECT id, inbox_id, assignee_id, branch, region, last_activity_at,
           row_number() OVER (ORDER BY last_activity_at DESC, id DESC) AS place
    FROM conversations
    WHERE account_id = :account AND status = 'open'
), depth AS (
    SELECT (count(*) / 2)::int AS depth FROM listed
), busiest AS (
    SELECT assignee_id AS agent FROM listed WHERE assignee_id IS NOT NULL
    GROUP BY assignee_id ORDER BY count(*) DESC, assignee_id LIMIT 1
), spot AS (
    SELECT branch, region FROM listed WHERE branch IS NOT NULL AND region IS NOT NULL
    GROUP BY branch, region ORDER BY count(*) DESC, branch, region LIMIT 1
)
SELECT depth,
       (SELECT agent FROM busiest) AS agent,
       (SELECT inbox_id FROM listed, busiest WHERE assignee_id = agent
        GROUP BY inbox_id ORDER BY count(*) DESC, inbox_id LIMIT 1) AS inbox,
       (SELECT array_agg(inbox_id ORDER BY inbox_id)
        FROM (SELECT inbox_id FROM inbox_members, busiest WHERE user_id = agent ORDER BY inbox_id LIMIT 3) few) AS inboxes,
       (SELECT array_agg(id ORDER BY place) FROM listed WHERE place <= 25) AS conversations,
       (SELECT last_activity_at FROM listed WHERE place = depth) AS cursor_at,
       (SELECT id FROM listed WHERE place = depth) AS cursor_id,
       (SELECT branch FROM spot) AS branch,
       (SELECT region FROM spot) AS region
FROM depth
