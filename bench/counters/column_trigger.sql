-- title: a column that a trigger of its own moves
-- family: unread
-- drift: none
-- why: No writer can forget it. The conversation's row is written twice for a message, for its clocks and for the
--   counter, and the second update of a row in one transaction checks all its foreign keys again: two thirds of the
--   pages that a message reads more.

--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations c SET unread = (
    SELECT count(*) FROM messages m
    WHERE m.conversation_id = c.id AND m.account_id = c.account_id AND m.message_type = 0
      AND m.created_at > coalesce(c.agent_last_seen_at, '-infinity')
);
CREATE FUNCTION messages_count_unread() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversations SET unread = unread + 1 WHERE id = NEW.conversation_id;
    RETURN NULL;
END $$;
CREATE TRIGGER messages_unread AFTER INSERT ON messages FOR EACH ROW WHEN (NEW.message_type = 0)
    EXECUTE FUNCTION messages_count_unread();
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
