-- Open conversations spread over all accounts, each with a text that some message of the data really holds: every row
-- is one execution of a write. The order is a fixed shuffle, so that any first part of it is a fair sample. At most half
-- of the open ones: the other end of the shuffle is for writes that close them (resolvable.sql).

WITH chosen AS (
    SELECT id AS conversation, account_id AS account, inbox_id AS inbox, contact_id AS contact,
           row_number() OVER (ORDER BY md5(id::text)) AS place
    FROM conversations
    WHERE status = 'open'
    ORDER BY place
    LIMIT (SELECT least(1000, (count(*) + 1) / 2) FROM conversations WHERE status = 'open')
), texts AS (
    SELECT body, row_number() OVER (ORDER BY md5(id::text)) AS place
    FROM messages
    WHERE id % greatest((SELECT max(id) FROM messages) / 5000, 1) = 0 AND char_length(body) BETWEEN 20 AND 500
    ORDER BY place
    LIMIT 1000
), agents AS (
    SELECT account_id, min(id) AS agent, max(id) AS other_agent FROM users GROUP BY account_id
)
SELECT chosen.conversation, chosen.account, chosen.inbox, chosen.contact, texts.body, agents.agent, agents.other_agent
FROM chosen
JOIN texts ON texts.place = chosen.place
JOIN agents ON agents.account_id = chosen.account
ORDER BY chosen.place
