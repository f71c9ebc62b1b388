-- The statements of automatic.py.

-- A load is what an index on (inbox_id, status, assignee_id) counts. `last` is of the conversations still open: an
-- agent who has resolved everything comes first.
--- candidate
SELECT member.user_id
FROM inbox_members AS member
CROSS JOIN LATERAL (
    SELECT count(*) AS load, max(assignee_assigned_at) AS last
    FROM conversations
    WHERE inbox_id = member.inbox_id AND status = 'open' AND assignee_id = member.user_id
) AS held
WHERE member.inbox_id = %(inbox)s AND (%(limit)s::int IS NULL OR held.load < %(limit)s)
