-- name: list_priority
-- title: inbox list, urgent first
-- family: list
-- ids: C7
-- params: account bigint
-- classes: huge median tiny
-- order: ordered
--
-- Four of five open conversations have no priority. They come last, in the order of the ordinary list, and only as many
-- as the page still lacks: 25 rows are read, whatever the account's size.
-- Written as one ORDER BY priority DESC NULLS LAST it needs an index that every message would have to enter.

WITH urgent AS MATERIALIZED (
    SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
           c.waiting_since, c.agent_last_seen_at, c.last_activity_at
    FROM conversations c
    WHERE c.account_id = :account AND c.status = 'open' AND c.priority IS NOT NULL
    ORDER BY c.priority DESC, c.last_activity_at DESC, c.id DESC
    LIMIT 25
), ordinary AS MATERIALIZED (
    SELECT c.id, c.display_id, c.contact_id, c.inbox_id, c.assignee_id, c.status, c.priority,
           c.waiting_since, c.agent_last_seen_at, c.last_activity_at
    FROM conversations c
    WHERE c.account_id = :account AND c.status = 'open' AND c.priority IS NULL
    ORDER BY c.last_activity_at DESC, c.id DESC
    LIMIT (SELECT 25 - count(*) FROM urgent)
)
SELECT page.*
FROM (TABLE urgent UNION ALL TABLE ordinary) page
ORDER BY page.priority DESC NULLS LAST, page.last_activity_at DESC, page.id DESC
