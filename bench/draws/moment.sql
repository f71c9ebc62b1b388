-- When the newest message of :account came: the data's own now.

SELECT created_at AS moment FROM messages WHERE account_id = :account ORDER BY created_at DESC, id DESC LIMIT 1
