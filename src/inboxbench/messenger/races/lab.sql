-- What the race lab adds to a messenger of its own: the version order of every assignment, kept by the row itself.

ALTER TABLE conversations ADD COLUMN claims bigint[] NOT NULL DEFAULT '{}';

-- The row's own UPDATE appends whom it assigns to (NULL: nobody). Writers of one row are ordered by its lock and
-- OLD is the version they replace, so the list is the order in which the database let them win.
CREATE FUNCTION conversations_record_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.claims := OLD.claims || NEW.assignee_id;
    RETURN NEW;
END
$$;

CREATE TRIGGER conversations_record_claim BEFORE UPDATE OF assignee_id ON conversations
    FOR EACH ROW EXECUTE FUNCTION conversations_record_claim();
