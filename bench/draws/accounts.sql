-- Accounts by their number of conversations: the largest, the median and the smallest.

WITH ranked AS (
    SELECT account_id, count(*) OVER () AS accounts, row_number() OVER (ORDER BY count(*), account_id DESC) AS place
    FROM conversations
    GROUP BY account_id
)
SELECT (SELECT account_id FROM ranked WHERE place = accounts) AS huge,
       (SELECT account_id FROM ranked WHERE place = (accounts + 1) / 2) AS median,
       (SELECT account_id FROM ranked WHERE place = 1) AS tiny
