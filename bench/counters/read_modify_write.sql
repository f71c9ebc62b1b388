-- title: a column that the application reads, adds to, and writes back
-- family: unread
-- drift: some
-- why: The control: two messages that read the same figure write the same figure, and one of them is never counted.

--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations c SET unread = (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
);
-- What an ORM does with conversation.unread += 1: it was loaded with the conversation, before the lock.
CREATE FUNCTION arrive(conversation bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    loaded int;
BEGIN
    SELECT unread INTO loaded FROM conversations WHERE id = conversation;
    PERFORM FROM conversations WHERE id = conversation FOR NO KEY UPDATE;
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body,
                          created_at)
    SELECT account_id, inbox_id, id, 'contact', contact_id, 'incoming', 0, 'where is my parcel', clock_timestamp()
    FROM conversations WHERE id = conversation;
    UPDATE conversations SET unread = loaded + 1 WHERE id = conversation;
END $$;

--- arrive
SELECT arrive(:conversation);

--- look
UPDATE conversations SET agent_last_seen_at = clock_timestamp(), unread = 0 WHERE id = :conversation;

--- page
SELECT id, unread FROM conversations WHERE id BETWEEN :first AND :last ORDER BY id

--- badge
SELECT coalesce(sum(unread), 0)::bigint FROM conversations WHERE inbox_id = :inbox AND status = 'open'

--- drift
SELECT count(*) FROM conversations c
WHERE c.unread <> (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
)
