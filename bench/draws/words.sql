-- Words of the account :huge by the number of its messages that hold them, counted, not estimated: the most frequent
-- and a rare one, in Russian and in English, two of middling frequency, and one that no message holds. Stop words and
-- short words are left out, and a rare word is no piece of another one. Counted over the newest 100,000 messages of
-- the account.
--
-- The middling ones are where newest-first search is dear. Of N messages a share f holds the word: a walk back in time
-- reads 15/f rows for a page of 15, an inverted index f·N. Both are the square root of 15·N where f is that of 15/N:
-- `middle_ru` is the word nearest to it, `uncommon_ru` the one nearest to an eighth of that share.

WITH counted AS MATERIALIZED (
    SELECT word, ndoc, word ~ '^[а-яё]+$' AS russian
    FROM ts_stat(format(
        $$SELECT to_tsvector('simple', body) FROM (
              SELECT body FROM messages
              WHERE account_id = %s AND NOT content_attributes @> '{"deleted": true}'
              ORDER BY id DESC LIMIT 100000
          ) newest$$, :huge))
    WHERE (word ~ '^[а-яё]{4,20}$' OR word ~ '^[a-z]{4,20}$')
      AND to_tsvector('russian', word) <> ''::tsvector
), rare AS (
    SELECT word, russian, ndoc, row_number() OVER (PARTITION BY russian ORDER BY ndoc DESC, word) AS place
    FROM counted
    WHERE ndoc BETWEEN 2 AND 5 AND length(word) >= 6
), alone AS (
    SELECT DISTINCT ON (russian) word, russian
    FROM rare
    WHERE place <= 12 AND NOT EXISTS (
        SELECT FROM counted other
        WHERE other.word <> rare.word AND strpos(other.word, left(rare.word, -1)) > 0
    )
    ORDER BY russian, place
), crossover AS (
    SELECT least(count(*) FILTER (WHERE account_id = :huge), 100000) * sqrt(15.0 / count(*)) AS messages FROM messages
)
SELECT (SELECT word FROM counted WHERE russian ORDER BY ndoc DESC, word LIMIT 1) AS frequent_ru,
       (SELECT word FROM counted WHERE NOT russian ORDER BY ndoc DESC, word LIMIT 1) AS frequent_en,
       (SELECT word FROM counted, crossover WHERE russian
        ORDER BY abs(ln(ndoc / messages)), word LIMIT 1) AS middle_ru,
       (SELECT word FROM counted, crossover WHERE russian
        ORDER BY abs(ln(ndoc / (messages / 8))), word LIMIT 1) AS uncommon_ru,
       (SELECT word FROM alone WHERE russian) AS rare_ru,
       (SELECT word FROM alone WHERE NOT russian) AS rare_en,
       (SELECT word FROM (VALUES ('щукозавр'), ('ъыщжэтов'), ('qzxwvkjh')) made (word)
        WHERE NOT EXISTS (SELECT FROM counted WHERE counted.word LIKE '%' || made.word || '%') LIMIT 1) AS absent
