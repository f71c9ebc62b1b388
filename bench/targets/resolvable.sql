-- Open conversations spread over all accounts, from the other end of the shuffle that conversations.sql takes its own
-- from: none is in both, so that what these writes close stays open for the others.

SELECT id AS conversation
FROM conversations
WHERE status = 'open'
ORDER BY md5(id::text) DESC
LIMIT (SELECT least(1000, count(*) / 2) FROM conversations WHERE status = 'open')
