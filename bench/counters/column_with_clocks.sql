-- title: a column moved by the UPDATE that moves the clocks
-- family: unread
-- drift: none
-- why: A message writes its conversation's row anyway, so the counter rides along in the same row version.

--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations c SET unread = (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
);
-- The messenger's own trigger with one line more.
CREATE OR REPLACE FUNCTION messages_move_conversation_clocks() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    asks boolean := NEW.sender_type = 'contact' AND NEW.message_type = 0 AND NOT NEW.private;
    answers boolean := NEW.sender_type IN ('user', 'bot') AND NEW.message_type = 1 AND NOT NEW.private
        AND NOT NEW.content_attributes ? 'automation_rule_id';
BEGIN
    UPDATE conversations SET
        unread = unread + (NEW.message_type = 0)::int,
        last_activity_at = greatest(last_activity_at, NEW.created_at),
        waiting_since = CASE
            WHEN asks THEN coalesce(waiting_since, NEW.created_at)
            WHEN NOT answers THEN waiting_since
        END,
        first_reply_created_at = CASE
            WHEN answers AND NEW.sender_type = 'user' THEN coalesce(first_reply_created_at, NEW.created_at)
            ELSE first_reply_created_at
        END
    WHERE id = NEW.conversation_id;
    RETURN NULL;
END $$;
-- A look recounts under the row's lock, so it is right however far back it looked.
CREATE FUNCTION conversations_recount_unread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT count(*) INTO NEW.unread FROM messages m
    WHERE m.conversation_id = NEW.id AND m.account_id = NEW.account_id AND m.message_type = 0
      AND m.created_at > coalesce(NEW.agent_last_seen_at, '-infinity');
    RETURN NEW;
END $$;
CREATE TRIGGER conversations_unread BEFORE UPDATE OF agent_last_seen_at ON conversations
    FOR EACH ROW EXECUTE FUNCTION conversations_recount_unread();

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
