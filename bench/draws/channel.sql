-- A message by its id in its channel: the middle one of those of the largest account.

SELECT inbox_id AS inbox, source_id
FROM (
    SELECT inbox_id, source_id, row_number() OVER (ORDER BY id) AS place, count(*) OVER () AS messages
    FROM messages WHERE account_id = :account AND source_id IS NOT NULL
) placed
WHERE place = (messages + 1) / 2
