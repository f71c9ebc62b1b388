-- title: a conversation is assigned, and one line says so
-- unit: assignment
-- ids: A1 A3

--- way compare-then-tell
-- meaning: the line after a compare-and-set that hit
-- atlas: assign / compare-and-set
-- ours: yes
-- call: assign

--- way lock-then-tell
-- meaning: lock, look, write, line
-- atlas: assign / for-update
-- call: lock_then_assign

--- way trigger
-- meaning: a trigger writes the line
-- atlas: assign / compare-and-set
-- call: assign_silently
--- setup
CREATE FUNCTION write_line() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type, body)
    SELECT NEW.account_id, NEW.inbox_id, NEW.id, 'user', NEW.assignee_id, 'outgoing', 2,
           name || ' took the conversation' FROM users WHERE id = NEW.assignee_id;
    RETURN NULL;
END $$;
CREATE TRIGGER write_line AFTER UPDATE OF assignee_id ON conversations FOR EACH ROW
WHEN (OLD.assignee_id IS DISTINCT FROM NEW.assignee_id) EXECUTE FUNCTION write_line();

--- way none
-- meaning: no line
-- atlas: assign / compare-and-set
-- call: assign_silently
