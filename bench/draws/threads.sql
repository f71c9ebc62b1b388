-- Conversations by their number of messages: the longest, a long one that ended longest ago, a typical and a short one.

WITH sized AS MATERIALIZED (
    SELECT conversation_id, count(*) AS messages, max(created_at) AS ended
    FROM messages
    GROUP BY conversation_id
), ranked AS (
    SELECT conversation_id, messages, ended, percent_rank() OVER (ORDER BY messages) AS share FROM sized
)
SELECT (SELECT conversation_id FROM sized ORDER BY messages DESC, conversation_id LIMIT 1) AS longest,
       (SELECT conversation_id FROM ranked WHERE share >= 0.99 ORDER BY ended, conversation_id LIMIT 1) AS longest_old,
       (SELECT conversation_id FROM ranked WHERE share >= 0.5 ORDER BY share, conversation_id LIMIT 1) AS typical,
       (SELECT conversation_id FROM sized ORDER BY messages, conversation_id LIMIT 1) AS short
