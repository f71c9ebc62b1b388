-- Pieces of what is known of the contacts of :account: the telephone of one of them, and the first name that most bear.

SELECT (SELECT phone_number FROM contacts WHERE account_id = :account AND length(phone_number) >= 8
        ORDER BY id DESC LIMIT 1) AS telephone,
       (SELECT split_part(name, ' ', 1) FROM contacts WHERE account_id = :account AND length(split_part(name, ' ', 1)) > 3
        GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1) AS first_name
