-- Two words that follow each other in the newest messages of :account, of those pairs the commonest.

WITH newest AS MATERIALIZED (
    SELECT body FROM messages
    WHERE account_id = :account AND NOT content_attributes @> '{"deleted": true}' AND body IS NOT NULL
    ORDER BY id DESC LIMIT 2000
), worded AS (
    SELECT row_number() OVER () AS message, regexp_split_to_array(lower(left(body, 400)), '\s+') AS words FROM newest
)
SELECT words[place] || ' ' || words[place + 1] AS phrase
FROM worded, generate_series(1, cardinality(words) - 1) place
WHERE words[place] ~ '^[а-яё]{4,}$' AND words[place + 1] ~ '^[а-яё]{4,}$'
GROUP BY 1 ORDER BY count(DISTINCT message) DESC, 1
LIMIT 1
