-- name: tab_counts
-- title: how many open conversations each tab of the list holds
-- family: count
-- ids: A6 C9
-- params: account bigint, agent bigint
-- classes: huge median tiny
-- order: unordered
--
-- Mine, unassigned, assigned and all in one pass. C9 holds all that it needs, and so does any index of the list that
-- carries the assignee: no row of the table is read where VACUUM has been.

SELECT count(*) FILTER (WHERE c.assignee_id = :agent) AS mine,
       count(*) FILTER (WHERE c.assignee_id IS NULL) AS unassigned,
       count(*) FILTER (WHERE c.assignee_id IS NOT NULL) AS assigned,
       count(*) AS everything
FROM conversations c
WHERE c.account_id = :account AND c.status = 'open'
